# Every target sets itself up: a fresh machine needs Python 3.11 or newer and make, no compiler.
#   make demo        the example store, walked through with crlf's own client (APP=webmail: the mail)
#   make test        all fast tests
#   make check       what CI runs, in its order: format, lint, types, laws, tests
#   make bench       crlf beside its peers
#   make docs        the documentation, in site/
#   make test-long   every test, with many more examples
# PYTHON=python3.13 takes another Python, VENV=folder another place.

PYTHON ?= python3
VENV ?= .venv
PY = $(VENV)/bin/python
APP ?= store
PIP = $(PY) -m pip install -qq --disable-pip-version-check --prefer-binary

.DEFAULT_GOAL := help
.PHONY: help demo test check check-what-computes check-what-is-live check-what-waits bench docs test-long clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.examples
	@$(PY) examples/$(APP)/demo.py

test: $(VENV)/.dev
	$(PY) -m pytest

check: $(VENV)/.dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest tests/laws
	@$(MAKE) --no-print-directory --output-sync -j3 check-what-computes check-what-is-live check-what-waits

# A third of the tests compute, the others wait, for programs or for the network: one of each at a
# time. A folder that is new is with those that wait for the network.
COMPUTE = cli docs examples message rules typing wire
LIVE = live security
check-what-computes: $(VENV)/.dev
	$(PY) -m pytest -p no:cacheprovider $(COMPUTE:%=tests/%)

check-what-is-live: $(VENV)/.dev
	$(PY) -m pytest -p no:cacheprovider $(LIVE:%=tests/%)

check-what-waits: $(VENV)/.dev
	$(PY) -m pytest -p no:cacheprovider --ignore=tests/laws \
	  $(COMPUTE:%=--ignore=tests/%) $(LIVE:%=--ignore=tests/%)

# The peers get an environment of their own; one that does not install here is reported absent.
bench: $(VENV)/.crlf
	$(PY) bench/run.py

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict
	@echo "The documentation is in site/index.html"

test-long: $(VENV)/.dev
	CRLF_PROFILE=nightly $(PY) -m pytest -m "long or not long"

clean:
	rm -rf $(VENV) .venv-* site dist build .demo .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up: one stamp for each set of packages, older than pyproject.toml means install again ---

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  found=$$($(PYTHON) -c 'import sys; print("Python " + sys.version.split()[0])' 2>/dev/null); \
	  echo "crlf needs Python 3.11 or newer; $(PYTHON) is $${found:-not there}." \
	    "Name another: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) -m venv failed: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.crlf: pyproject.toml | $(VENV)/bin/python
	@echo "Installing crlf"
	@$(PIP) -e .
	@touch $@

$(VENV)/.examples: pyproject.toml | $(VENV)/bin/python
	@echo "Installing crlf and what its examples need"
	@$(PIP) -e '.[examples]'
	@touch $(VENV)/.crlf $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing crlf and what its tests need"
	@$(PIP) -e '.[dev]'
	@touch $(VENV)/.crlf $(VENV)/.examples $@

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/python
	@echo "Installing crlf and what its documentation needs"
	@$(PIP) -e '.[docs]'
	@touch $@
