#!/usr/bin/env bash
# Installs what the tests need beside Rust, and says so: two Python virtual environments, in which the device of the
# original protocol runs on the two versions of paho-mqtt that are in use, and the servers that the tests start for
# themselves. Nothing outside .venv-* is touched, but for Debian's packages, where they are missing and may be installed;
# no service is started.
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

# The tests start servers of their own; those of the machine stay as they are. What is missing and may not be installed
# is skipped by its tests, unless SMSGW_TEST_REQUIRE names it.
missing=()
[ -x "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | head -n 1)" ] || missing+=(postgresql)
for server in redis-server rabbitmq-server mosquitto; do
    PATH=$PATH:/usr/sbin command -v "$server" >/dev/null || missing+=("$server")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing ${missing[*]}" >&2
        apt-get update -qq
        # At run level 1, Debian's packages start no service.
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
            --no-install-recommends "${missing[@]}" >&2
    else
        echo "tests with these servers are skipped: install them by 'sudo apt-get install ${missing[*]}'" >&2
    fi
fi
