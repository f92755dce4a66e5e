# `make run` to try it, `make test` before a commit, `make help` for the rest.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules

# Other PostgreSQL binaries than the packaged ones: make test POSTGRES_BIN=/usr/lib/postgresql/15/bin
export POSTGRES_BIN ?=
# Tests by name: make test TESTS=sync
TESTS ?=
# How much to measure: make bench SIZE=quick
SIZE ?= full
# In how many records `make bench-reads` reads.
RECORDS ?= 100000
# How often `make crash` kills the server, in each of its tests.
crash: export CRASH_ROUNDS ?= 200

# How many random schedules `make recovery` plays on each database, and with phones in JavaScript.
recovery: export DAYBOOK_SCHEDULES ?= 400
recovery: export JS_SCHEDULES ?= 100
# At steps of how many bytes `make cuts` cuts answers.
cuts: export CUTS_STEP ?= 1
# What `make mutants` makes.
mutants: export MUTANTS ?= 100000
mutants: export HISTORIES ?= 1000
# How many cases `make contract` and `make contract-long` try of each operation in each phase, and which.
contract: export CONTRACT_EXAMPLES ?= 10
contract: export CONTRACT_SEED ?= 1
contract-long: export CONTRACT_EXAMPLES ?= 300
contract-long: export CONTRACT_SEED ?=
# How long `make fuzz` runs each target; it needs a nightly compiler.
FUZZ_SECONDS ?= 300

with_postgres := tests/postgres/with-postgres.sh
nextest := cargo nextest run --workspace --locked --profile
python_client := target/tools/python-client/.installed
test_packages := $(patsubst %,%/node_modules/.package-lock.json,tests/postgres tests/phone-js examples) $(python_client)
peers := benches/peers/node_modules/.package-lock.json
redocly := openapi/node_modules/.bin/redocly
deny := target/tools/cargo-deny/bin/cargo-deny
schemathesis := target/tools/schemathesis/bin/schemathesis
cargo_fuzz := target/tools/cargo-fuzz/bin/cargo-fuzz
fuzz_targets := guard accept cursor sync_body state_decode

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## build and start with a demo neighbourhood, on the embedded database, in ./data
	cargo run --locked -- demo --metrics-listen 127.0.0.1:9464

.PHONY: test
test: $(test_packages) ## all tests, on SQLite and on PostgreSQL
	cargo test --doc --workspace --locked
	$(with_postgres) $(nextest) $(if $(CI),ci,default) $(TESTS)

.PHONY: crash
crash: $(test_packages) ## kill and restart the server for a long time (CRASH_ROUNDS=200)
	$(with_postgres) $(nextest) long -E 'test(/(^|::)crash/)'

.PHONY: recovery
recovery: $(test_packages) ## many random schedules of copied, restored and refused phones (DAYBOOK_SCHEDULES=400)
	$(with_postgres) $(nextest) long -E 'test(/(^|::)schedules::/)'

.PHONY: cuts
cuts: $(test_packages) ## cut the answer to every write after each byte, and send it again (CUTS_STEP=1)
	$(with_postgres) $(nextest) long -E 'test(/(^|::)cuts::/)'

.PHONY: planted
planted: $(test_packages) ## plant bugs into a copy of the source, and see that the tests find each of them
	node tests/planted/plant.mjs

.PHONY: mutants
mutants: ## many mutated changes, and many histories against Automerge (MUTANTS=100000, HISTORIES=1000)
	cargo test --release --locked --lib merge::tests -- --nocapture

.PHONY: fuzz
fuzz: $(cargo_fuzz) ## fuzz what reads bytes from outside, each target for some minutes (FUZZ_SECONDS=300)
	cargo test --locked --quiet --lib merge::tests::seeds -- --ignored
	for target in $(fuzz_targets); do \
	  RUSTUP_TOOLCHAIN=nightly $(cargo_fuzz) run --features server --sanitizer none --target-dir target/fuzz \
	    "$$target" -- \
	    -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 -timeout=20; \
	done

.PHONY: contract contract-long
contract: $(schemathesis) ## try every operation against what the OpenAPI document says of it (CONTRACT_EXAMPLES=10, CONTRACT_SEED=1)
	cargo build --locked
	tests/contract/run.sh

contract-long: $(schemathesis) tests/postgres/node_modules/.package-lock.json ## the same for a long time, other cases each day, on PostgreSQL too (CONTRACT_EXAMPLES=300, CONTRACT_SEED=date)
	cargo build --locked
	tests/contract/run.sh
	CONTRACT_DATABASE=postgres $(with_postgres) tests/contract/run.sh

.PHONY: bench
bench: $(test_packages) $(peers) ## measure all, beside the peers, and write benches/RESULTS.md (some 40 minutes)
	cargo bench --locked --bench core
	POSTGRES_FSYNC=on $(with_postgres) cargo bench --locked --bench load -- \
	  all --size $(SIZE) --json target/bench.json --out benches/RESULTS.md

.PHONY: bench-reads
bench-reads: tests/postgres/node_modules/.package-lock.json ## what pages and open streams cost with few and many records (RECORDS=100000)
	cargo build --release --locked --bin daybook
	POSTGRES_FSYNC=on $(with_postgres) benches/reads/reads.py target/release/daybook --records $(RECORDS)

.PHONY: bench-smoke
bench-smoke: $(test_packages) $(peers) ## see that every benchmark still runs
	cargo bench --locked --profile dev --bench core -- --test 'load the document/10$$'
	$(with_postgres) cargo bench --locked --profile dev --bench load -- all --size smoke

.PHONY: bench-seed
bench-seed: ## see that the load's records are still approved, every one, by rules
	cargo bench --locked --profile dev --bench load -- run --daybooks 8 --activities 5 --phones 4 --neighbourhoods 2

.PHONY: lint
lint: lint-format lint-code lint-docs lint-licences lint-openapi ## everything below whose name starts with lint-

.PHONY: lint-format
lint-format: ## is the code formatted
	cargo fmt --all --check

.PHONY: lint-code
lint-code: ## clippy, on tests and benches too
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: lint-docs
lint-docs: ## does the documentation build, and do its links lead somewhere
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

.PHONY: lint-licences
lint-licences: $(deny) ## licences and sources of what we depend on (deny.toml)
	$(deny) --locked --workspace check licenses bans sources

.PHONY: lint-openapi
lint-openapi: openapi/node_modules/.package-lock.json ## openapi/openapi.json, by .redocly.yaml
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
	  $(redocly) lint --config .redocly.yaml openapi/openapi.json

.PHONY: audit
audit: $(deny) ## known vulnerabilities in what we depend on; fetches the RustSec database from GitHub
	$(deny) --locked --workspace check advisories

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: openapi
openapi: ## write openapi/openapi.json anew, and its types
	cargo run --locked --quiet -- openapi > openapi/openapi.json.new
	mv openapi/openapi.json.new openapi/openapi.json
	$(MAKE) openapi-types

.PHONY: openapi-types
openapi-types: examples/node_modules/.package-lock.json ## write openapi/types.ts anew from openapi/openapi.json
	cd examples && node_modules/.bin/openapi-typescript ../openapi/openapi.json --output ../openapi/types.ts

.PHONY: up
up: secrets ## build and start the server with PostgreSQL in containers
	docker compose up --build --wait
	@echo "Daybook answers at $${DAYBOOK_PUBLIC_URL:-http://localhost:8080}"

.PHONY: secrets
secrets: ## draw the containers' secrets, those that are not there yet
	deploy/secrets.sh

# Packages of npm, exactly as their lockfile says, and without running their scripts.
%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

# The lockfile of the peers names optional packages for other machines, which `npm ci` wants to see resolved.
$(peers): %/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && npm install --no-save --ignore-scripts --no-audit --no-fund
	touch $@

$(python_client): examples/requirements.txt
	python3 -m pip install --quiet --no-deps --require-hashes --only-binary :all: --upgrade \
	  --target $(@D) -r $<
	touch $@

$(cargo_fuzz):
	cargo install --locked cargo-fuzz --version 0.13.2 --root target/tools/cargo-fuzz

$(schemathesis): tests/contract/requirements.txt
	python3 -m pip install --quiet --no-deps --require-hashes --only-binary :all: --upgrade \
	  --target target/tools/schemathesis -r $<
	touch $@

$(deny): .ci/requirements.txt
	python3 -m pip install --quiet --no-deps --require-hashes --only-binary :all: --upgrade \
	  --target target/tools/cargo-deny -r $<
	touch $@
