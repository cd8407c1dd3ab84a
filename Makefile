# What a developer does with FluentPro. `make` alone prints the list.

PYTHON ?= python3
# pytest's processes, and whatever else pytest should hear: make test ARGS="-k reload -x"
JOBS ?= 2
ARGS ?=
# Empty moves only what pyproject.toml demands; `make lock UPGRADE=1` takes the newest of everything.
UPGRADE ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-config --quiet --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
# Ends the recipe, saying why, unless PYTHON is one that FluentPro runs on.
CHECK_PYTHON = { "$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	{ echo "FluentPro needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is $$(command -v "$(PYTHON)" >/dev/null && "$(PYTHON)" --version 2>&1 || echo missing): make PYTHON=/path/to/python3.13" >&2; false; }; }
CHECKS := check-format check-lint check-types check-imports check-deploy check-docs docs

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: install
install: $(STAMP)  ## make .venv from the lock; nothing to do when it is current

$(STAMP): requirements/dev.txt pyproject.toml
	@echo "Installing into $(VENV) from requirements/dev.txt (a minute, the first time)"
	@$(BIN)/python -c 'import pip' 2>/dev/null || { $(CHECK_PYTHON) && "$(PYTHON)" -m venv --clear $(VENV); }
	@$(BIN)/python -m pip --disable-pip-version-check install -qq --require-hashes --requirement requirements/dev.txt
	@# The checkout itself has no hash, even where the user's pip demands one of everything.
	@PIP_REQUIRE_HASHES=0 $(BIN)/python -m pip --disable-pip-version-check install -qq --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: up
up: install  ## start FluentPro on PORT (8000); Ctrl-C ends it
	@# The command ends its children and says so itself; make has nothing to add to a Ctrl-C.
	@trap : INT; $(BIN)/fluentpro up $(if $(PORT),--port $(PORT)); code=$$?; [ $$code -eq 130 ] || exit $$code

.PHONY: test
test: install  ## run the tests with the coverage gate; some of them, without it: make test ARGS="-k reload"
ifneq ($(strip $(ARGS)),)
	@$(BIN)/python -m pytest $(ARGS)
else
	@rm -rf .coverage.d .pytest_cache
	@# Real servers on a busy machine: what fails beside others gets one quiet try, alone, and has to pass it.
	@$(BIN)/python -m coverage run -m pytest -n $(JOBS) --dist loadfile || \
		{ echo "== once more, alone: the tests named above"; \
		$(BIN)/python -m coverage run -m pytest --last-failed --last-failed-no-failures none; }
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report --fail-under=90
	@echo "The engine alone:"
	@$(BIN)/python -m coverage report --fail-under=95 --include='fluentpro/config/*'
endif

.PHONY: test-wheel
test-wheel: install  ## build the wheel and run the tests against it, without the checkout's code
	@JOBS="$(JOBS)" deploy/test-wheel $(ARGS)

.PHONY: image-test
image-test: install  ## build the image and run the whole deployment on a Docker engine of its own (root on Debian 12)
	@$(BIN)/python -m tests.image $(ARGS)

.PHONY: check
check: install  ## run every check, and show what each finds: format, lint, types, imports, deploy, docs
	@$(MAKE) --keep-going $(CHECKS)

.PHONY: $(filter check-%,$(CHECKS))
check-format: install
	@echo "== format"
	@$(BIN)/ruff format --check --quiet . || { echo "make format repairs this" >&2; $(BIN)/ruff format --diff . ; exit 1; }

check-lint: install
	@echo "== lint"
	@$(BIN)/ruff check .

check-types: install
	@echo "== types"
	@$(BIN)/mypy

check-imports: install
	@echo "== imports"
	@$(BIN)/lint-imports --no-logo

check-deploy: install
	@echo "== image, compose, pipelines, scripts, dependencies"
	@BIN="$(BIN)" deploy/lint

check-docs: install
	@echo "== what the documents promise"
	@$(BIN)/python -m pytest --quiet tests/docs

.PHONY: docs
docs: install  ## build the documents into docs/_build/html
	@echo "== documents"
	@$(BIN)/sphinx-build --quiet --no-color --fail-on-warning --keep-going --builder html docs docs/_build/html

.PHONY: format
format: install  ## format the code, and repair what the linter can
	@$(BIN)/ruff check --fix --quiet --exit-zero .
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: install  ## measure, print the table, write benchmarks/results.md
	@$(BIN)/python -m benchmarks

.PHONY: lock
lock: install  ## write requirements/*.txt from pyproject.toml; the newest of everything: UPGRADE=1
	@$(COMPILE) --output-file requirements/base.txt >/dev/null
	@$(COMPILE) --group dev --extra stack --constraint requirements/base.txt --output-file requirements/dev.txt >/dev/null
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
		$(subst pyproject.toml,-,$(COMPILE)) --constraint requirements/dev.txt --no-annotate --output-file requirements/build.txt >/dev/null
	@! grep -n '://' requirements/*.txt || { echo "a lock names a host" >&2; exit 1; }
	@echo "Locked $$(grep -c '^[a-z]' requirements/base.txt) packages to run FluentPro, $$(grep -c '^[a-z]' requirements/dev.txt) to develop it; now: make install"

.PHONY: clean
clean:  ## remove .venv and all that was built; settings, secrets and data stay
	@rm -rf $(VENV) .coverage.d .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist docs/_build
	@find benchmarks docs fluentpro tests -name __pycache__ -prune -exec rm -r {} + 2>/dev/null || true
