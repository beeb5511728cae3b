#!/bin/sh
# The gateway, which Docker starts again whenever it ends. After code 78 that helps nobody: a setting is wrong, or the
# broker has no place for this gateway, which would push out another again and again. So it is not let end then, until
# somebody has read why. (Docker's own limit, on-failure:5, would leave it down after a restart of the machine, or after
# five troubles of its database in a year.)
set -u

smsgw "$@" &
gateway=$!
trap 'kill -TERM "$gateway" 2>/dev/null' TERM INT
wait "$gateway"
code=$?
# A signal ends the wait, and not yet the gateway.
while kill -0 "$gateway" 2>/dev/null; do
    wait "$gateway"
    code=$?
done

if [ "$code" -eq 78 ]; then
    echo "not started again: mend what is said above, then docker compose up -d --force-recreate gateway" >&2
    trap 'exit 78' TERM INT
    sleep infinity &
    wait
fi
exit "$code"
