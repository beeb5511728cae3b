#!/usr/bin/env bash
# Installs what the tests need beside Rust, and says so: a C compiler, curl, three Python virtual environments (in two of them
# the device of the original protocol runs on the versions of paho-mqtt that are in use, in the third the API's description is
# tried out), valgrind, which counts instructions, Prometheus' promtool, Chromium and Node.js, which try the dashboard, and the
# servers that the tests start for themselves. Nothing is touched but .venv-*, tests/browser/node_modules and Debian's packages,
# where these are missing; no service of the machine is started or changed.
set -euo pipefail
cd "$(dirname "$0")/.."

has() { PATH=$PATH:/usr/sbin command -v "$1" >/dev/null; }
has_venv() { /usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null; }
has_postgres() { has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

needed=() skipped=()
has cc || needed+=(build-essential)
has curl || needed+=(curl)
has_venv || needed+=(python3 python3-venv)
# Tests of a server, of valgrind or of promtool that is missing are skipped, unless SMSGW_TEST_REQUIRE names it.
has_postgres || skipped+=(postgresql)
has promtool || skipped+=(prometheus)
for program in redis-server rabbitmq-server mosquitto valgrind chromium; do
    has "$program" || skipped+=("$program")
done

has npm || skipped+=(nodejs npm)

packages=("${needed[@]}" "${skipped[@]}")
if [ ${#packages[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    # At run level 1 Debian's packages start no service.
    apt() { "${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2; }
    if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
        echo "installing ${packages[*]}" >&2
        apt update
        apt install -y --no-install-recommends "${packages[@]}"
    elif [ ${#needed[@]} -gt 0 ]; then
        echo "the tests need ${needed[*]}: install them by 'sudo apt-get install ${packages[*]}'" >&2
        exit 1
    else
        echo "tests with these are skipped; to run them: 'sudo apt-get install ${skipped[*]}'" >&2
    fi
fi

for version in 1.6.1 2.1.0; do
    venv=.venv-paho-${version%%.*}
    if ! "$venv/bin/python" -c "import importlib.metadata as m; assert m.version('paho-mqtt') == '$version'" 2>/dev/null; then
        echo "installing paho-mqtt $version into $venv" >&2
        rm -rf "$venv"
        /usr/bin/python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "paho-mqtt==$version"
    fi
done

# Asks the API everything that its description allows, and much that it does not.
version=4.32.5 venv=.venv-schemathesis
if ! "$venv/bin/python" -c "import importlib.metadata as m; assert m.version('schemathesis') == '$version'" 2>/dev/null; then
    echo "installing schemathesis $version into $venv" >&2
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

# Drives the browser, and looks at what it shows. Nothing of these packages runs while they are installed.
if has npm && ! cmp -s tests/browser/package-lock.json tests/browser/node_modules/.installed; then
    echo "installing the modules of tests/browser" >&2
    (cd tests/browser && npm ci --silent --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.installed)
fi
