# Every chore, each from a fresh clone with only Python 3.11 or newer (with venv) and make.
PYTHON ?= python3
BIN := .venv/bin
# One more than the cores of a small machine: tests with processes or a browser wait for most of their time.
PARALLEL ?= -n 3 --dist loadgroup --no-loadscope-reorder
QUICK := $(wildcard tests/test_*.py) tests/uem tests/simulator tests/jobs
TEMPLATES := templates harmony/simulator/templates
COMPOSE_LINTER := tests/deploy/compose_linter
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run run-postgres dev demo test check soak soak-load bench image-test release lint format clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/runtime ## Run the dashboard and its worker
	@exec $(BIN)/python app.py

run-postgres: .venv/runtime ## The same on a PostgreSQL of its own, for evaluation (needs the package postgresql)
	@exec $(BIN)/python -m harmony.ops.local_postgres

dev: .venv/dev ## Run both again after each change of code or templates; DEMO=1 for the demo
	@exec $(BIN)/watchfiles --sigint-timeout 40 "$(BIN)/python $(if $(DEMO),-m harmony.ops.demo $(ARGS),app.py)" app.py harmony templates static

demo: .venv/runtime ## The same on throw-away data, with a simulated UEM
	@exec $(BIN)/python -m harmony.ops.demo $(ARGS)

test: .venv/dev .venv/provider ## Run every test, three at a time; PARALLEL= for one after the other
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: lint .venv/dev ## Lint, and run the quick tests (docs/testing.md): a minute
	@$(BIN)/python -m pytest $(PARALLEL) -m "not (processes or browser or soak or hypothesis)" -k "not postgresql" $(or $(ARGS),$(QUICK))

soak: .venv/dev ## Run the long loops whole, with new seeds, for MINUTES=30; SEED=… ARGS=… replays a failure
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) $(ARGS)

soak-load: .venv/dev ## Load the product for MINUTES=60 on each database, and see what of it grows; ARGS="--on sqlite"
	@$(BIN)/python -m tests.load --minutes $(or $(MINUTES),60) $(ARGS)

bench: .venv/runtime ## Measure; ONLY=transport|sync|pages|api|peers|contention|messages|protect|events|destinations|growth|tagging|scale|start for a part, OUT=file.json
	@$(if $(filter-out peers,$(ONLY)),,$(MAKE) --no-print-directory .venv-bench/peers || true)
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(OUT),--out $(OUT)) $(ARGS)

image-test: .venv/dev ## Build the container image without a registry, run it, look at it (root, buildah, debootstrap)
	@$(BIN)/python -m tests.image $(ARGS)

release: .venv/dev ## Build the archive of this version from the last commit, and the image, into dist/, and check both
	@$(BIN)/python -m tests.release $(ARGS)

lint: .venv/dev .venv/compose-linter ## Look for mistakes without running anything
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/djangofmt --check $(TEMPLATES)
	@$(BIN)/djangofmt check $(TEMPLATES)
	@$(BIN)/mypy
	@$(BIN)/hadolint deploy/Dockerfile
	@if [ -e .venv/compose-linter ]; then \
		$(COMPOSE_LINTER)/node_modules/.bin/dclint --max-warnings 0 -c $(COMPOSE_LINTER)/.dclintrc.yaml deploy/compose*.yaml; \
	else echo "The compose files were not checked, for lack of npm."; fi

format: .venv/dev ## Lay out the code and the templates
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/djangofmt check --fix $(TEMPLATES)
	@$(BIN)/djangofmt $(TEMPLATES)

.PHONY: screenshots
screenshots: .venv/dev ## Take the pictures in docs/images anew, from the demo; needs Chromium
	@$(BIN)/python -m tests.screenshots

clean: ## Remove what make has built; the data in instance/ stays
	rm -rf dist .venv .venv-bench tests/oidc/provider/node_modules tests/deploy/compose_linter/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .artifacts

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Harmony needs Python 3.11 or newer.")'
	@$(PYTHON) -m venv .venv

.venv/runtime: requirements.txt | .venv/bin/python
	@echo "Installing what Harmony needs …"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt .venv/runtime
	@echo "Installing what the tests need …"
	@$(PIP) -r requirements-dev.txt
	@touch $@

# The certified OpenID provider of the browser tests; without npm they are left out, and say so.
.venv/provider: tests/oidc/provider/package-lock.json | .venv/bin/python
	@if command -v npm >/dev/null; then \
		echo "Installing the OpenID provider that the tests sign in at …" && \
		npm ci --prefix tests/oidc/provider --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	fi

# The linter of the compose files; without npm they are not checked, and `make lint` says so.
.venv/compose-linter: $(COMPOSE_LINTER)/package-lock.json | .venv/bin/python
	@if command -v npm >/dev/null; then \
		echo "Installing the linter of the compose files …" && \
		npm ci --prefix $(COMPOSE_LINTER) --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	fi

.venv-bench/peers: requirements-bench.txt
	@echo "Installing the peers that the bench compares with …"
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@
