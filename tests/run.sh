#!/usr/bin/env bash
# Passes the tests on a fresh machine with Rust and git: installs what they need beside Rust, says so, and runs them all.
# What is given on the command line goes to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."
./tests/setup.sh
exec cargo test --locked --workspace --all-features "$@"
