# The front door: each target is one line of `make help`. CMake and Ninja do the work (CMakePresets.json).
.DEFAULT_GOAL := build
.PHONY: help run build test check fmt bench bench-quality soak test-asan test-tsan test-oom test-io test-host torture fuzz-smoke ui docs \
	install clean deps

PREFIX ?= /usr/local
BUILD_ROOT ?= build
BUILD := $(BUILD_ROOT)/release
export BUILD_ROOT

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

run: build ## Build and start the daemon watching this host, or run `lapwing $(ARGS)`
	@$(BUILD)/lapwing $(or $(ARGS),run)

build: ## Build build/release/lapwing and liblapwing.so, installing what is missing
	@tools/deps build
	@cmake --preset release -B $(BUILD) >/dev/null
	@cmake --build $(BUILD) --target product

test: ## Build and run all tests; ends with `N passed, N failed`
	@tools/deps build test
	@tools/test release

check: ## Format, layers, headers, symbols, docstrings, lint: everything a script can check
	@tools/deps build check
	@tools/check

fmt: ## Lay out the C sources
	@tools/deps check
	@tools/fmt --write

bench: ## Run the benches (BENCH=glob picks); one JSON object a line
	@tools/deps build test
	@tools/bench

bench-quality: ## Measure detection on public data: DATA=dir OUT=dir EVALUATOR=evaluate.py
	@tools/deps build test
	@tools/bench_quality

soak: ## Half an hour under load, ten restarts, ten kills: memory stays and nothing is lost
	@tools/deps build test
	@cmake --preset release -B $(BUILD) -DLAPWING_BENCHES=ON >/dev/null
	@cmake --build $(BUILD)
	@LW_BUILD=$(abspath $(BUILD)) LAPWING=$(abspath $(BUILD)/lapwing) bench/soak.py

test-asan: ## Run the tests under address, leak and undefined behaviour sanitizers
	@tools/deps build test
	@tools/test asan

test-tsan: ## Run the tests under the thread sanitizer
	@tools/deps build test
	@tools/test tsan

test-oom: ## Fail each allocation in turn, under the address sanitizer
	@tools/deps build test
	@tools/test asan --label '^oom$$' --verbose

test-io: ## A fault at every call to the disk, of journal, snapshots, history and recovery
	@tools/deps build test
	@tools/test release --label '^(unit|io)$$' -R 'io/|faults|repair|simulated_disk' --verbose

torture: ## 500 simulated days, 2,000 kills, faults everywhere; an hour. Writes figures to docs/testing.md
	@tools/deps build test
	@cmake --preset release -B $(BUILD) -DLAPWING_TESTS=ON >/dev/null
	@cmake --build $(BUILD)
	@tools/torture $(ARGS)

test-host: build ## Make real trouble on this host, bounded, and see it found
	@tools/test_host

fuzz-smoke: ## Fuzz each parser for 20 seconds
	@tools/deps build fuzz
	@tools/fuzz_smoke

ui: ## Rebuild the page in ui/dist; needs Node
	@tools/ui

docs: build ## Regenerate the man page and docs/reference from the program's tables
	@tools/gen_docs --write

install: build ## Install to PREFIX (/usr/local); DESTDIR is honoured
	@cmake --install $(BUILD) --prefix $(PREFIX)

deps: ## Install everything that any target needs
	@tools/deps all

clean: ## Remove build/
	@rm -rf $(BUILD_ROOT)
