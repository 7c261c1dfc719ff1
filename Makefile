# Two commands on a fresh machine: `make run` and `make test`. `make help` lists the rest.

PYTHON ?= python3
SERVER_PYTHON ?= $(PYTHON)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := setup.cfg pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help run cluster test test-full rows lint format messages bench check-python clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Start the identity provider, the APIs and a sample app; Ctrl-C stops all
	@exec $(BIN)/idp demo

cluster: $(VENV)/.installed-test ## The same as several nodes behind nginx, on PostgreSQL and Redis; kill any of them
	@exec $(BIN)/python -m cluster

test: $(VENV)/.installed-test ## Run the whole suite on SQLite, PostgreSQL and Redis (STRICT=1: nothing may be skipped)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-full: $(VENV)/.installed-test ## All of that, and what takes minutes
	@FULL=1 $(BIN)/python -m pytest -m "" $(PYTEST_ARGS)

rows: $(VENV)/.installed-test ## Run what docs/services.md links to, and write there what it said
	@$(BIN)/python -m tests.rows $(ROWS_ARGS)

lint: $(VENV)/.installed-test ## Formatting, lint, types, and the floors of the house
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy -p idp -p token_guard -p vetted_http -p setting_sources -p lifespan -p conformance -p cluster
	@$(BIN)/mypy resource_server/__main__.py
	@$(BIN)/lint-imports

format: $(VENV)/.installed-test ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

messages: $(VENV)/.installed ## Bring the catalogues of translations up to date with the words in the code
	@mkdir -p build
	@$(BIN)/pybabel -q extract -F pyproject.toml -k PageError:2 -k Stopped:2 --sort-output --no-location --omit-header -o build/messages.pot .
	@for po in idp/locale/*/LC_MESSAGES/messages.po; do $(BIN)/pybabel -q update -i build/messages.pot -o $$po -l $$(basename $$(dirname $$(dirname $$po))) \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --omit-header --width 150; done

bench: $(VENV)/.installed-test ## Measure speed and memory against the goals; PEER=1 adds oidc-provider of npm, Canaille and django-oauth-toolkit
	@$(SERVER_PYTHON) -m venv --clear $(VENV)/server
	@$(VENV)/server/bin/python -m pip --disable-pip-version-check --quiet install --upgrade '.[postgres,redis]'
	@$(VENV)/server/bin/python -m pip --disable-pip-version-check --quiet install --force-reinstall --no-deps .
	@SERVER_BIN=$(CURDIR)/$(VENV)/server/bin $(BIN)/python -m bench $(BENCH_ARGS)

clean: ## Remove the virtual environment and caches; data in var/ and keys/ stays
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with PYTHON=..." >&2; exit 1; }

$(BIN)/python: | check-python
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SOURCES) | $(BIN)/python
	@echo "Installing (once) ..." >&2
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: $(SOURCES) | $(BIN)/python
	@echo "Installing the test extra (once) ..." >&2
	@$(PIP) install --editable '.[test]'
	@touch $(VENV)/.installed $@
