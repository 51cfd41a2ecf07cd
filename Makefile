# Everything a person or CI does with this repository. Set PYTHON to choose the interpreter the environment is made of.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
THREADS := OMP_NUM_THREADS=1
DEVICE ?= cpu
PRECISION ?= float32
PROCESSES ?= 2
STAGES ?= 112:4:1000,224:3:2400

.PHONY: help demo test test-slow test-browser check fmt photographs starter-card train-starter bench bench-onnx bench-everything clean

help:            ## what there is
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(VENV)/.installed  ## segment a real photograph with the embedded starter, offline
	HF_HUB_OFFLINE=1 $(BIN)/python examples/demo.py --output demo

test: $(VENV)/.installed  ## the fast tests, doctests and README
	$(THREADS) $(BIN)/python -m pytest -n 2

test-slow: $(VENV)/.installed  ## what takes minutes or gigabytes
	$(THREADS) $(BIN)/python -m pytest -m slow tests

test-browser: $(VENV)/.installed  ## an exported decoder in Chromium; installs it (Debian, as root) and onnxruntime-web
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	test -d out/browser/node_modules/onnxruntime-web || npm install --prefix out/browser --no-save --no-audit --no-fund \
		--ignore-scripts --loglevel error onnxruntime-web@1.30.0
	$(THREADS) $(BIN)/python -m pytest tests/browser

check: $(VENV)/.installed  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(VENV)/.installed  ## mend what lint and format can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

photographs: $(VENV)/.installed  ## the starter beside GrabCut on photographs
	$(BIN)/python benchmarks/photographs.py --sheet out/photographs.jpg --json out/photographs.json

starter-card: $(VENV)/.installed  ## the figures of docs/starter.md
	$(BIN)/python benchmarks/starter.py --pictures 100 --side 224 512

train-starter: $(VENV)/.installed  ## the starter's recipe from random weights, hours on two cores; on a GPU DEVICE=cuda PROCESSES=1
	$(THREADS) $(BIN)/python -m torch.distributed.run --standalone --nproc_per_node $(PROCESSES) -m samhq train --mode scratch \
		--output runs/starter --device $(DEVICE) --precision $(PRECISION) --threads 1 --stages $(STAGES) --prompts-per-picture 8 \
		--kinds box:0.4,point:0.22,points:0.16,box_points:0.12,mask:0.1 --correct 0.15 --learning-rate 1e-3 --hold 0.3
	$(BIN)/python -m samhq.training.publish runs/starter runs/starter/starter.safetensors --side 224

bench: $(VENV)/.installed  ## speed and memory beside transformers, and docs/performance.md; half an hour
	$(BIN)/python -m benchmarks all --device $(DEVICE)

bench-onnx: $(VENV)/.installed  ## exported models beside torch and beside the original contract; a few minutes
	$(BIN)/python benchmarks/exported.py --json benchmarks/results/exported.jsonl --page

bench-everything: $(VENV)/.installed  ## whole-image masks beside transformers, time and peak memory
	$(BIN)/python benchmarks/everything.py

clean:           ## remove what the other targets made
	rm -rf demo out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
