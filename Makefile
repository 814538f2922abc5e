PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo check fix setup clean

# The two promises of the README: each starts from nothing but Python, venv and make.
demo: $(VENV)/.use
	$(BIN)/facedial demo -o demo.png

check: $(VENV)/.check
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m facedial.cli.reference --check docs/reference
	$(BIN)/pytest

fix: $(VENV)/.check
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

setup: $(VENV)/.check

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.use: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.check: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[train,serve,dev]' --constraint constraints.txt
	touch $@ $(VENV)/.use

clean:
	rm -rf $(VENV) build dist src/*.egg-info
