#!/usr/bin/env bash
# Runs each fuzz target for FUZZ_SECONDS (600), or those that are named. Needs a nightly Rust and cargo-fuzz. What it
# finds is left under fuzz/artifacts, the inputs that it learns under fuzz/learned; the corpus itself stays as it is.
set -euo pipefail
cd "$(dirname "$0")"

targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(basename -s .rs fuzz_targets/*.rs)
cargo +nightly fuzz --version >/dev/null 2>&1 || {
    echo "fuzzing needs a nightly Rust and cargo-fuzz: 'rustup toolchain install nightly', 'cargo install --locked cargo-fuzz'" >&2
    exit 1
}
cd ..
for target in "${targets[@]}"; do
    mkdir -p "fuzz/learned/$target"
    echo "fuzzing $target"
    cargo +nightly fuzz run "$target" "fuzz/learned/$target" "fuzz/corpus/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-600}" -max_len=8192 -timeout=10 -print_final_stats=1
done
