#!/usr/bin/env bash
# Builds the gateway with its crash points, and lets everything break; see tests/chaos/main.rs for the settings. What is given
# on the command line goes to the test program: a part of a name runs what has it, `--exact NAME` one run.
set -euo pipefail
cd "$(dirname "$0")/../.."
./tests/setup.sh
cargo build --locked --all-features --example gateway
exec cargo test --locked --all-features --test chaos -- "$@"
