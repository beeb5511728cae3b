#!/bin/sh
# Makes the broker's accounts, with that of the gateway, where there are none. Run again, it mends what was begun.
set -eu
umask 077
cd "${DATA:-/mosquitto/data}"

if ! test -s dynamic-security.json; then
    rm -f dynamic-security.json dynamic-security.new
    mosquitto_ctrl dynsec init dynamic-security.new gateway "$MQTT_PASSWORD"
    mv dynamic-security.new dynamic-security.json
fi

chown -R 1883:1883 .
