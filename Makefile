# The commands of this project. `make help` lists them; CI calls the same ones.
SHELL := /bin/bash -euo pipefail
CARGO ?= cargo
FEATURES := --workspace --all-features

.PHONY: help run test chaos lint fmt doc deny sbom fuzz load bench cost counts paint screenshots vectors

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: ## start the gateway in demo mode
	$(CARGO) run --locked --example gateway

test: ## install what the tests need, and run them all
	./tests/run.sh

chaos: ## kill, cut and restart everything, and count what was lost or sent twice; SMSGW_CHAOS=long for all of it
	./tests/chaos/run.sh

fmt: ## check the formatting
	$(CARGO) fmt --all --check

lint: ## run clippy, warnings denied
	$(CARGO) clippy --locked $(FEATURES) --all-targets -- -D warnings

doc: ## build the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked $(FEATURES) --no-deps

deny: ## check licences, sources and known vulnerabilities of all dependencies
	./tests/supply/deny.sh

sbom: ## write the software bill of materials, CycloneDX JSON, to target/sbom.json
	./tests/supply/sbom.py target/sbom.json

fuzz: ## run each fuzz target for FUZZ_SECONDS (600); needs a nightly Rust and cargo-fuzz
	./fuzz/run.sh

load: ## put a whole gateway under load: make load ARGS="--store postgres --broker mosquitto"
	$(CARGO) run --release --locked --features amqp,postgres,redis --example loadtest -- $(ARGS)

bench: ## measure everything, and write the tables of docs/BENCHMARKS.md
	mkdir -p "$${CARGO_TARGET_DIR:-target}/criterion"
	touch "$${CARGO_TARGET_DIR:-target}/criterion/.begun"
	$(CARGO) bench --locked --all-features --benches
	./benches/table.py make bench

counts: ## accept the instruction counts of today as the baseline of benches/counts
	SMSGW_ACCEPT_COUNTS=1 $(CARGO) test --locked -p smsgw-counts

cost: ## measure packages, cold builds, sizes, start and memory at rest, and write them to docs/BENCHMARKS.md
	./benches/cost.py

paint: ## measure how soon a browser paints the dashboard over a million messages in PostgreSQL
	./benches/paint.sh

screenshots: ## make docs/images anew, with a real browser
	./tests/browser/screenshots.sh

vectors: ## make the segmentation vectors anew from their oracles
	./smsgw-core/tests/oracles/generate.sh
