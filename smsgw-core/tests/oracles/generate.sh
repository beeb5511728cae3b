#!/bin/sh
# Writes ../data from the two oracles, which it installs into a directory that it removes again. Needs node, npm and
# python3 with pip. What it writes depends on nothing but the versions below.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" sms-segments-calculator@1.3.0
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$work/python" gsm0338==1.1.0

node "$here/generate.mjs" "$work" >"$work/segment_vectors.jsonl"
PYTHONPATH="$work/python" python3 "$here/generate.py" <"$work/segment_vectors.jsonl" >"$work/gsm7_alphabet.jsonl"
mkdir -p "$here/../data"
mv "$work/segment_vectors.jsonl" "$work/gsm7_alphabet.jsonl" "$here/../data/"
