# `make demo` shows dmwatch at work, `make test` proves it; both do their own set-up on a fresh
# machine. DMWATCH_CACHE (default ~/.cache/dmwatch) is where downloads are kept.

.DEFAULT_GOAL := help
.PHONY: help setup build demo test lint bench faults soak clean

help: ## Lists the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: ## Installs what building and testing need, or names it
	@scripts/setup.sh test

build: ## Builds the release binary
	@scripts/setup.sh build
	cargo build --locked --release

demo: ## Runs the whole pipeline on generated messages (KEEP=1 runs on, KAFKA_BOOTSTRAP=host:port uses that broker)
	@scripts/demo.sh

test: ## Runs all tests but the long ones, on real Kafka (KAFKA_BOOTSTRAP=host:port uses that broker where it can)
	@scripts/setup.sh test
	@scripts/test.sh

lint: ## Formatting, clippy, documentation, licences, shell scripts
	@scripts/lint.sh

bench: ## Benchmarks in CPU time: the parts, then the whole worker on a real Kafka
	@scripts/setup.sh test
	@scripts/bench.sh

faults: ## Kills workers for a long time (DMWATCH_TEST_ROUNDS=60), the oracle judges
	@scripts/setup.sh test
	@scripts/test.sh --test it -- --ignored --nocapture for_long

soak: ## One worker at a steady load beside one that dies (SOAK_MINUTES=60): nothing lost, no growth
	@scripts/setup.sh test
	@scripts/test.sh --test it -- --ignored --nocapture soak::

clean: ## Removes what was built, keeps the downloads
	cargo clean
