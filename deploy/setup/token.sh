#!/bin/sh
# Makes the token that Prometheus shows the gateway, where there is none. Run again, it mends what was begun.
set -eu
umask 077
cd "${TOKEN:-/token}"

if ! test -s metrics; then
    rm -f metrics metrics.new
    # It opens nothing but the metrics. That they are of all accounts makes its account an admin's.
    smsgw token --account prometheus --admin --scopes metrics:read --name Prometheus > metrics.new
    mv metrics.new metrics
fi

chmod 755 .
# Prometheus' user.
chown 65534:65534 metrics
