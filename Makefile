# Two commands for a fresh machine: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Debian keeps venv in a package of its own; root, as in a fresh container, gets it without being asked to.
GET_VENV := { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; }
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
HASHED := $(PIP) install --require-hashes --no-deps --only-binary :all:
TORCH := torch==2.13.0
CUDA := cuda-bindings cuda-toolkit nvidia-cudnn-cu13 nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvshmem-cu13 triton
LOCK := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" --no-emit-package torch --excludes $(VENV)/excludes

.PHONY: demo test check format gpu lock clean

demo: $(VENV)/.installed
	@sh benchmarks/demo.sh $(BIN)/throughtime

test: $(VENV)/.dev
	$(BIN)/pytest -n 2 --dist worksteal

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs a GPU, and nothing but a Python with torch, numpy and safetensors: make gpu PYTHON=python3 OPTIONS=--quick
gpu:
	@PYTHONPATH=src $(PYTHON) benchmarks/recipes/gpu.py $(OPTIONS)

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The lists name all that is installed, each file by its hash, so pip has nothing to resolve. torch alone has no hash: each of its
# indexes (CPU, and one for each CUDA) serves other files under the same version. What it needs beyond CUDA is in the list.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "expected Python 3.11 or newer, got $$($(PYTHON) --version); run: make PYTHON=python3.12 demo"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(GET_VENV) || \
		{ echo "this Python has no venv; on Debian run: sudo apt-get install python3-venv"; exit 2; }
	@echo "installing into $(VENV) (a minute or two) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(HASHED) -r constraints.txt
	@$(PIP) install $(TORCH)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed constraints-dev.txt
	@$(HASHED) -r constraints-dev.txt
	@touch $@

# Who changes a version or a range runs this; other versions stay as they are in the lists.
lock: $(VENV)/.installed
	@$(PIP) install uv
	@printf '%s\n' $(CUDA) > $(VENV)/excludes
	@printf '%s\n' $(TORCH) hatchling editables > $(VENV)/more
	@$(LOCK) -o constraints.txt --extra train --extra serve pyproject.toml $(VENV)/more
	@$(LOCK) -o constraints-dev.txt -c constraints.txt --extra dev pyproject.toml $(VENV)/more
