# Everything from a fresh clone: `make demo`, `make test`. Needs Python >= 3.11 and nothing else.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# One process a core, each with one thread: tests are many and small. Each process begins with a stretch of whole files,
# so fixtures of a module are built once, and takes tests from the others when it has done its own. Bytecode is kept, also
# where the surroundings ask for none: tests start hundreds of programs.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup parity demo test test-fast test-slow test-all test-nightly check reference docs format lock clean

help:
	@echo "make demo      the main job on a small scale: train, profile, search, export, plot"
	@echo "make test      the tests (minutes)"
	@echo "make test-fast those that take no seconds, for while you work (under two minutes)"
	@echo "make check     formatting, lint, types, who may import whom, no circles; also the code in README and docs"
	@echo ""
	@echo "make test-all  the tests with the slow ones; test-nightly: every space exported at full size, and more (hours)"
	@echo "make parity    timm, so that the tests which compare with it are not skipped"
	@echo "make docs      the pages of docs/ as a site in site/"
	@echo "make format    put the code into the one format"
	@echo "make reference docs/reference and tests/public_api.txt from the code"
	@echo "make setup     the environment in .venv; every target above makes it when it is missing or old"
	@echo "make lock      write requirements.lock anew from what .venv holds"
	@echo "make clean     remove .venv, caches and what the demo made"
	@echo ""
	@echo "PYTHON=python3.12 make setup   takes another interpreter (now: $(PYTHON))"

setup: $(READY)

# The stamp is as old as the environment: a changed lock or pyproject.toml brings the environment up to date.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "vitnas needs Python >= 3.11, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || echo missing)."; \
	  echo "Install one, or name another: make setup PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
	  echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "installing the packages of requirements.lock into .venv (once, a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: $(READY)
	$(BIN)/vitnas demo

test: $(READY)
	$(PYTEST)

test-fast: $(READY)
	$(PYTEST) -m "not heavy and not ray and not slow and not nightly and not gpu"

test-slow: $(READY)
	$(PYTEST) -m "slow and not gpu"

test-all: $(READY)
	$(PYTEST) -m "not gpu and not nightly"

test-nightly: $(READY)
	$(PYTEST) -m "nightly and not gpu"

# timm and what it needs to be imported, for the tests that compare with its networks. Without dependencies:
# its own would bring another torch.
parity: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements-parity.lock

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python tools/snippets.py
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/circles.py
	$(BIN)/python tools/docs_python.py

# A site in site/ that needs no network to be read, built in an environment of its own.
docs: $(READY)
	@test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-docs.lock
	.venv-docs/bin/mkdocs build --strict --quiet
	@echo "site/index.html; with its search: $(PYTHON) -m http.server --bind 127.0.0.1 --directory site"

reference: $(READY)
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/public_api.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Packages that torch brings for one kind of machine stay out: pip finds the right ones everywhere.
lock: $(READY)
	{ sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip freeze --exclude-editable --all \
	  | grep -E '^[A-Za-z0-9._-]+==' | grep -vxF -f requirements-parity.lock | grep -vE '^(pip|setuptools|nvidia-.*|cuda-.*|triton)==' | sed 's/+[a-z0-9.]*$$//'; } > .lock.tmp
	mv .lock.tmp requirements.lock

clean:
	rm -rf .venv .venv-docs site demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
