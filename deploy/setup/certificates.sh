#!/bin/sh
# Makes a CA and certificates where there are none, and lets each read its own key. Run again, it mends what was begun.
set -eu
cd "${CERTS:-/certs}"

# The file that is made first, and the one that comes last.
if ! { test -s client.key && test -s ca.crt; }; then
    rm -rf new
    # What it advises names a place that is gone in a moment.
    smsgw certs --out new --host mosquitto --host "$PUBLIC_HOST" > /dev/null
    # ca.crt says that all is there.
    mv -f new/ca.key new/server.crt new/server.key new/client.crt new/client.key .
    mv -f new/ca.crt .
fi
rm -rf new

chmod 755 .
# Mosquitto's user, and the gateway's.
chown 1883:1883 server.key
chown 10001:10001 client.key
