#!/usr/bin/env bash
# Makes docs/images anew: starts the gateway with four simulated phones, lets it work for a while, and photographs it.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ -e tests/browser/node_modules ] || ./tests/setup.sh
cargo build --locked --quiet --example gateway
place=$(mktemp -d)
"${CARGO_TARGET_DIR:-target}/debug/examples/gateway" --data "$place/demo" --json --devices 4 --http 127.0.0.1:0 --mqtt 127.0.0.1:0 \
    >"$place/ready" 2>"$place/log" &
gateway=$!
trap 'kill $gateway; rm -rf "$place"' EXIT
until [ -s "$place/ready" ]; do sleep 0.1; done
read -r http token < <(python3 -c 'import json, sys; ready = json.load(open(sys.argv[1])); print(ready["http"], ready["token"])' "$place/ready")
mkdir -p docs/images
node tests/browser/screenshots.mjs "$http" "$token" docs/images
ls -l docs/images
