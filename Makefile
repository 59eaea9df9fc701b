# `make help` says what there is. Everything works in a fresh clone.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
# Several workers are faster, and disturb tests that depend on being run at once: WORKERS=3.
WORKERS ?= 0

SITE_READY := $(VENV)/.ready
KERNEL := src/crtools/_kernel.abi3.so
AGENT := src/crtools/agent/agent.bin
AGENT_SOURCES := $(wildcard agent/*)
KERNEL_SOURCES := $(wildcard src/crtools/abi/kernel*)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv build test lint format bench demo wheel clean

help:  ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

venv: $(SITE_READY)  ## the virtual environment with all tools, in .venv

$(SITE_READY): pyproject.toml tools/make-venv.sh
	PYTHON="$(PYTHON)" tools/make-venv.sh $(VENV)
	@touch $@

build: $(KERNEL) $(AGENT)  ## the agent and the extension, in place

$(KERNEL): $(KERNEL_SOURCES) setup.py | $(SITE_READY)
	$(PY) setup.py --quiet build_ext --inplace
	@touch $@

$(AGENT): $(AGENT_SOURCES) setup.py | $(SITE_READY)
	$(PY) setup.py --quiet build_agent --inplace

test: build  ## all tests; ARGS="-k eventfd" for some of them
	@tools/install-test-packages.sh
	$(PY) -m pytest -n $(WORKERS) $(ARGS)

lint: build  ## formatting, style, types, import layers
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/mypy src $(wildcard tools/*.py)
	$(VENV)/bin/lint-imports --cache-dir $(VENV)/.import-linter

format: venv  ## let ruff format and fix what it can
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: build  ## the figures, each with its limit measured in the same run
	$(PY) -m benchmarks $(ARGS)

demo: build  ## a program is dumped, is gone, and comes back
	@tools/demo.sh

wheel: venv  ## a wheel, in dist/
	rm -rf build/lib build/bdist.*
	$(PY) -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean:  ## remove what was built, .venv too
	rm -rf build dist $(VENV) src/*.egg-info src/crtools/*.so
	rm -f src/crtools/agent/agent.bin src/crtools/agent/skeleton.elf src/crtools/agent/keeper.elf
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
