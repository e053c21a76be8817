# Everything a person needs; `make` lists it. The environment is .venv in this folder, pinned by constraints.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Nothing leaves the machine, also where Dagster runs without a home of its own.
export DAGSTER_DISABLE_TELEMETRY := yes

.DEFAULT_GOAL := help
.PHONY: help install demo ui browser test test-ui test-fast lint types check crash-test bench-quality bench-features bench-definitions bench-small bench-year bench-scoring bench-backfill bench-schedule bench-arrival clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## Make .venv and install the pinned versions

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed; say which with: make install PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned versions; this takes a few minutes once."
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[demo,s3,sinks,sql,dev]'
	@touch $@

demo: $(READY) ## Run the first night on real flights: capture, validate, train, score
	@$(BIN)/batch-platform demo

ui: $(READY) ## Open Dagster's web UI and daemon on http://localhost:3000
	@$(BIN)/batch-platform ui --port $${PORT:-3000}

browser: ## Install the browser that the UI tests drive, where it is missing: Debian's chromium
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	  elif [ "$${CI:-}" = true ]; then \
	    echo "The UI tests need chromium, and only root can install it: apt-get install chromium" >&2; exit 1; \
	  else \
	    echo "There is no chromium: the UI tests are skipped. Install it as root: apt-get install chromium"; \
	  fi; }

test: $(READY) browser ## Run all tests
	$(BIN)/pytest -n auto --dist worksteal

test-ui: $(READY) browser ## Run the tests in a browser; pictures go to build/screenshots, or to SCREENSHOTS=
	$(BIN)/pytest batch_platform_tests/ui

test-fast: $(READY) ## Run the tests that take no more than seconds
	$(BIN)/pytest -n auto --dist worksteal -m 'not slow'

crash-test: $(READY) ## Kill 300 scoring runs and check that no row was lost, doubled or torn; SEED= names the course
	$(BIN)/python -m batch_platform_tests.harness.crash --kills 300 --seed $${SEED:-1}

lint: $(READY) ## Check style, formatting and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY) ## Check types
	$(BIN)/mypy

check: $(READY) lint types ## Check style, types and that all definitions load
	@eval "$$($(BIN)/batch-platform home)" && $(BIN)/dg check defs

bench-quality: $(READY) ## Measure the model against its baselines over six months
	$(BIN)/python -m batch_platform_tests.benchmarks.quality

bench-features: $(READY) ## Measure feature tables against the same SQL by hand, at 10 million rows
	$(BIN)/python -m batch_platform_tests.benchmarks.features

bench-definitions: $(READY) ## Measure compiling and loading 500 SQL models
	$(BIN)/python -m batch_platform_tests.benchmarks.definitions

bench-scoring: $(READY) ## Measure scoring against the same work by hand and other engines (extra: bench)
	$(BIN)/python -m batch_platform_tests.benchmarks.scoring

bench-small: $(READY) ## Measure one small partition against Dagster's own floor
	$(BIN)/python -m batch_platform_tests.benchmarks.small_partition

bench-year: $(READY) ## Measure a backfill of a year of all daily assets
	$(BIN)/python -m batch_platform_tests.benchmarks.year

bench-backfill: $(READY) ## Measure a year's backfill beside as many bare assets; AIRFLOW=VENV: and beside Airflow
	$(BIN)/python -m batch_platform_tests.benchmarks.backfill $(if $(AIRFLOW),--airflow $(AIRFLOW))

bench-schedule: $(READY) ## Measure loading 200 pipelines and a look at three years of their partitions
	$(BIN)/python -m batch_platform_tests.benchmarks.schedule

bench-arrival: $(READY) ## Measure the time from a file's arrival to its committed prediction
	$(BIN)/python -m batch_platform_tests.benchmarks.arrival

clean: ## Remove the environment and caches; tables and runs under local/ stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
