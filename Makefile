PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Bytecode is made of what is imported, when it is, whatever the environment says: of all, it took a
# third of the installation, and without it every process of the tests would compile torch anew.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile

.PHONY: demo check static tests cluster-tests fix setup clean browser release docs

# The two promises of the README: each starts from nothing but Python, venv and make.
demo: $(VENV)/.use
	$(BIN)/facedial demo -o demo.png

# Static checks run beside the tests: mypy alone would leave the other cores idle for a minute.
check: $(VENV)/.check browser
	$(MAKE) --jobs 2 static tests

static: $(VENV)/.check
	$(BIN)/ruff format --check src tests benchmarks release
	$(BIN)/ruff check src tests benchmarks release
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m facedial.cli.reference --check docs/reference

# A test process a core, each of one thread: threads of two processes would wait for each other. A test
# process wants up to 2 GB of memory.
tests: $(VENV)/.check browser
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# Ray is larger than everything else together and takes long to begin: its tests are a check of their own.
cluster-tests: $(VENV)/.check
	$(PIP) --editable '.[cluster]' --constraint constraints.txt
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/cluster

# The page is tested in a real browser; without one those tests are skipped, and say so.
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	&& apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } \
	|| echo "no chromium could be had: the page's tests will be skipped"

fix: $(VENV)/.check
	$(BIN)/ruff check --fix src tests benchmarks release
	$(BIN)/ruff format src tests benchmarks release

setup: $(VENV)/.check

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.use: pyproject.toml | $(VENV)/bin/pip
	$(PIP) --editable .
	touch $@

$(VENV)/.check: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable '.[train,serve,dev]' --constraint constraints.txt
	touch $@ $(VENV)/.use

# The documentation site into site/, without network once its tools are installed. Broken links, pages missing
# from the navigation, and anything that a page would fetch from elsewhere end it.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	! grep -rE '<(script|link|img|iframe|source)[^>]+(src|href)="(https?:)?//' --include='*.html' site
	! grep -rE '(url\(|@import)["'"'"' ]*(https?:)?//' --include='*.css' site
	@echo "site/index.html; its search needs a server: $(BIN)/python -m http.server --directory site"

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/pip
	$(PIP) --editable '.[docs]'
	touch $@

# Wheel, sdist, SBOM and sums into dist/, each tried in fresh environments.
release: $(VENV)/bin/pip
	$(PIP) --editable '.[release]'
	$(BIN)/python release/release.py

clean:
	rm -rf $(VENV) build dist site src/*.egg-info
