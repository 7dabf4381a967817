# make serve and make test each suffice on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# For the small CPU build of torch, set PIP_EXTRA_INDEX_URL to PyTorch's index of CPU wheels.

.PHONY: serve test lint demo parity bench bench-peers clean
.DELETE_ON_ERROR:

serve: $(VENV)/.service $(VENV)/.native
	exec $(BIN)/python -m service

test: $(VENV)/.dev $(VENV)/.native
	$(BIN)/python -m pytest --cov --cov-report=term

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

demo: $(VENV)/.dev
	$(BIN)/python examples/demo.py

# OPTIONS="--data digits DIR" trains on a data set in Mulan's form too.
parity: $(VENV)/.dev
	$(BIN)/python examples/train/parity.py $(OPTIONS)

# Within ten minutes, on a machine that has nothing else to do; a JSON object a measurement in build/bench.json.
BENCHES := wire kernel coalescing service scale

bench: $(VENV)/.dev $(VENV)/.native
	rm -f build/bench.json
	set -e; for each in $(BENCHES); do $(BIN)/python -m benchmarks.bench_$$each --out build/bench.json; done

# The same job behind other servers, each of which is first installed into build/peers-NAME: a few gigabytes.
bench-peers: $(VENV)/.dev $(VENV)/.native
	$(BIN)/python -m benchmarks.bench_peers --out build/bench-peers.json

clean:
	rm -rf $(VENV) build

$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gradwire needs Python 3.11 or newer; make PYTHON=/path/to/it")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip
	touch $@

# Installing exports the ONNX graphs, so that no request waits for one.
$(VENV)/.service: $(VENV)/.pip pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt --editable .
	$(BIN)/python -m models.export
	touch $@

# The fused kernel of the PyTorch runtime; without a C++ compiler the equations run as they stand, and the log says so.
$(VENV)/.native: $(VENV)/.service $(wildcard models/native/*)
	$(BIN)/python -m models.native
	touch $@

$(VENV)/.dev: $(VENV)/.service
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	touch $@
