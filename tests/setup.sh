#!/usr/bin/env bash
# Installs what the tests need beside Rust, and says so: two Python virtual environments, in which the device of the
# original protocol runs on the two versions of paho-mqtt that are in use. Nothing outside .venv-* is touched, but
# for Debian's python3-venv and curl, where they are missing and may be installed.
set -euo pipefail
cd "$(dirname "$0")/.."

python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3 || true)

usable() { [ -n "$python" ] && "$python" -c 'import venv, ensurepip' 2>/dev/null; }

if ! usable; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing python3-venv" >&2
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends \
            python3 python3-venv >&2
        python=/usr/bin/python3
    fi
    usable || { echo "the tests need python3 with venv: install it by 'sudo apt-get install python3-venv'" >&2; exit 1; }
fi

if ! command -v curl >/dev/null; then
    [ "$(id -u)" = 0 ] || { echo "the tests need curl: install it by 'sudo apt-get install curl'" >&2; exit 1; }
    echo "installing curl" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends curl >&2
fi

for version in 1.6.1 2.1.0; do
    venv=.venv-paho-${version%%.*}
    if ! "$venv/bin/python" -c "import importlib.metadata as m; assert m.version('paho-mqtt') == '$version'" 2>/dev/null; then
        echo "installing paho-mqtt $version into $venv" >&2
        rm -rf "$venv"
        "$python" -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "paho-mqtt==$version"
    fi
done
