# Two commands for a fresh machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Debian keeps venv in a package of its own; root, as in a fresh container, gets it without being asked to.
GET_VENV := { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; }
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check format clean

demo: $(VENV)/.installed
	@sh benchmarks/demo.sh $(BIN)/throughtime

test: $(VENV)/.dev
	$(BIN)/pytest -n 2

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# torch goes first and alone: resolved together with the rest, pip takes minutes longer.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "expected Python 3.11 or newer, got $$($(PYTHON) --version); run: make PYTHON=python3.12 demo"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(GET_VENV) || \
		{ echo "this Python has no venv; on Debian run: sudo apt-get install python3-venv"; exit 2; }
	@echo "installing into $(VENV) (a minute or two) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt torch
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
