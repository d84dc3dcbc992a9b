# Everything sets itself up: a python3 (3.11 or later) and a network for packages are all that is needed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
export UV ?= $(shell command -v uv || echo $(CURDIR)/.shop/uv/bin/uv)
# Compiled modules are what makes the second start quick.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
READY := $(VENV)/.ready
SERVICES := $(sort $(wildcard services/*/pyproject.toml))
PROJECTS := $(dir libs/chassis/pyproject.toml $(SERVICES) tools/shop/pyproject.toml tools/processor/pyproject.toml)
MANIFESTS := $(addsuffix pyproject.toml,$(PROJECTS))
# What a service's lock is made of, and nothing of where the packages come from.
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" --no-emit-package chassis

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

.PHONY: demo
demo: $(READY) ## Start the shop, send orders of every outcome through it, judge the result, stop it
	@$(VENV)/bin/shop demo

.PHONY: up
up: $(READY) ## Start the shop and leave it running
	@$(VENV)/bin/shop up

.PHONY: down
down: $(READY) ## Stop the shop; its data stays
	@$(VENV)/bin/shop down

.PHONY: test
test: $(READY) ## Every test, against real PostgreSQL and real Kafka (SHOP_STACK=containers: in containers)
	@$(VENV)/bin/python -m pytest $(ARGS)

.PHONY: lint
lint: $(READY) ## Style, types, and who may import whom
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --config .importlinter

.PHONY: contracts
contracts: $(READY) ## Write the OpenAPI and AsyncAPI files anew from the code
	@$(VENV)/bin/python tools/contracts/export.py

.PHONY: lock
lock: $(UV) ## Lock again what every service and the tools are built from (ARGS=--upgrade: newest versions)
	@for project in $(dir $(SERVICES)) tools/processor/; do \
		(cd $$project && $(LOCK) $(ARGS) pyproject.toml --output-file requirements.txt) || exit 1; \
	done
	@$(LOCK) $(ARGS) --group dev pyproject.toml $(MANIFESTS) --output-file requirements-dev.txt

# The tools' own environment: shop, tests, checks; and every project, editable.
$(READY): requirements-dev.txt $(MANIFESTS) | $(UV)
	@echo "Preparing $(VENV) (once)"
	@[ -x $(VENV)/bin/python ] || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip sync --quiet --python $(VENV)/bin/python --require-hashes requirements-dev.txt \
		|| { echo "make: the packages could not be installed; if there is no network, connect (or set HTTPS_PROXY) and try again." >&2; exit 1; }
	@$(UV) pip install --quiet --python $(VENV)/bin/python --no-deps $(addprefix --editable ./,$(PROJECTS))
	@touch $(READY)

# uv itself, if there is none on the PATH: into an environment of its own.
$(CURDIR)/.shop/uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: Python 3.11 or later is needed, and $(PYTHON) is older or missing: install one, or name it with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv .shop/uv \
		|| { echo "make: $(PYTHON) cannot make environments: install its venv package (python3-venv on Debian), or install uv." >&2; exit 1; }
	@.shop/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9' \
		|| { echo "make: uv could not be installed; if there is no network, connect (or set HTTPS_PROXY) and try again." >&2; exit 1; }
