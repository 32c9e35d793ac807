# Thin verbs over `python -m unsup …`. Bare `make` prints this list.
#   VENV=<folder>   another virtual environment (made and installed into when needed)
#   PY=<python>     a ready environment, used as it is: nothing is installed
VENV ?= .venv
PYTHON ?= python3
RUNS ?= runs
PORT ?= 6006
ifdef PY
READY :=
else
PY := $(VENV)/bin/python
READY := $(VENV)/.installed
endif
export MPLBACKEND ?= Agg

.DEFAULT_GOAL := help
VERBS := train resume sweep evaluate classify encode export zero_shot models compare results reproduce selfcheck
.PHONY: $(VERBS) help install bench dashboard notebooks test test-all test-nightly check clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The interpreter is order-only: its date must not trigger an install.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"unsup needs Python 3.11 or newer, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.12 …" if v < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# The stamp is written last: an install that failed is tried again.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) (once; PyTorch is about 6 GB with its CUDA libraries)"
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(VENV)/bin/python -m pip check
	@$(VENV)/bin/python -c 'import torch, torchvision; torchvision.ops.nms' \
	  || { echo "torch and torchvision in $(VENV) do not belong together: remove $(VENV) and run make install" >&2; exit 1; }
	@touch $@

install: $(READY) ## make .venv and install, if that is not done yet

# The verbs of unsup. Each takes the values of some variables as its words; unsup/core/commands.py has the same table.
OPTIONS := SEEDS=--seeds DATA=--data SEED=--seed GRID=--grid EPOCHS=--epochs WORDS=--words ENCODER=--encoder \
  IMAGES=--images DATA_ROOT=--data_root OUT=--out LABELS=--labels SORT=--sort ONNX=--onnx RUNS=--runs
LISTS := MODELS SEEDS GRID WORDS
FLAGS := ONNX
MODELS ?= $(MODEL)
option = $(patsubst $1=%,%,$(filter $1=%,$(OPTIONS)))
quoted = $(if $(filter $1,$(LISTS)),$($1),$(if $(filter $1,$(FLAGS)),,"$($1)"))
# A variable that is misspelt, or that a verb does not take, ends it.
GIVEN := $(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $v)),$v))
checked = $(foreach v,$(filter-out $(TAKES) $(if $(filter MODELS,$(TAKES)),MODEL) ARGS RUNS PY PYTHON VENV,$(GIVEN)),$(error $@ takes no $v=: give it $(strip $(TAKES) ARGS)))
passed = $(foreach v,$(TAKES),$(if $($v),$(call option,$v) $(call quoted,$v))) $(ARGS)

train: TAKES := MODEL DATA SEED EPOCHS IMAGES DATA_ROOT RUNS ## train MODEL= [DATA= SEED= EPOCHS= DATA_ROOT= IMAGES= ARGS="--model.lr 0.01 …"], evaluate, report
resume: TAKES := RUN IMAGES DATA_ROOT ## go on with the interrupted RUN=, then evaluate it [DATA_ROOT= IMAGES= when the data have moved]
sweep: TAKES := MODELS SEEDS DATA GRID EPOCHS IMAGES DATA_ROOT RUNS ## MODELS="ae vae" SEEDS="0 1 2" [GRID="model.code_dim=10,30" DATA= EPOCHS= IMAGES= ARGS=]: all combinations
evaluate: TAKES := RUN IMAGES DATA_ROOT ## evaluate RUN= again, bit for bit [DATA_ROOT= IMAGES= when the data have moved]
classify: TAKES := RUN IMAGES OUT LABELS SORT ## sort the pictures of IMAGES= with a trained RUN= [LABELS=names.csv SORT=copy|link OUT=]
encode: TAKES := RUN IMAGES OUT ## the codes of all pictures of IMAGES= by a trained RUN= [OUT=codes.npz or codes.parquet; without it in RUN]
export: TAKES := RUN OUT ONNX ## the encoder of RUN= for use elsewhere, loaded again and checked [OUT= ONNX=1]
zero_shot: TAKES := RUN WORDS ENCODER IMAGES DATA_ROOT ## name the clusters of RUN= from WORDS="cat dog" by ENCODER= (a folder with CLIP or SigLIP, or module:name)
models: TAKES := ## list the recipes: what each is, expected score, minutes
compare: TAKES := DATA SORT RUNS ## all reports side by side [DATA= RUNS= SORT="few-label 10"]
results: TAKES := RUN ## keep the reports of RUN="…" in results/, write the tables and the cards from them
reproduce: TAKES := CARD SEEDS IMAGES DATA_ROOT RUNS ## train the row of CARD= (in results/cards) anew, check its scores [SEEDS="0 1" or all, DATA_ROOT= IMAGES=]
selfcheck: TAKES := ## check the evaluator on planted codes
results: LISTS := RUN
reproduce: override RUNS := $(RUNS)/reproduced

$(VERBS): export UNSUP_VIA := make
$(VERBS): $(READY)
	$(checked)@$(PY) -m unsup $@ $(passed)

bench: $(READY) ## how fast it is beside a plain loop, Lightning's defaults and others [ARGS=--quick DATA_ROOT=]
	@$(PY) benchmarks/bench.py $(if $(DATA_ROOT),--data_root "$(DATA_ROOT)") $(ARGS)

dashboard: $(READY) ## TensorBoard over RUNS= on localhost, PORT=6006
	@test -d "$(RUNS)" || { echo "no runs in $(RUNS): make train MODEL=ae makes one, RUNS=<folder> says where they lie" >&2; exit 2; }
	@$(PY) -c 'import socket, sys; socket.create_server(("localhost", int(sys.argv[1]))).close()' "$(PORT)" 2>/dev/null \
	  || { echo "PORT=$(PORT) is in use or no port that may be used: make dashboard PORT=6007, say" >&2; exit 2; }
	@echo "models side by side  http://localhost:$(PORT)/#hparams"
	@echo "curves, drawn together  http://localhost:$(PORT)/#custom_scalars"
	@$(PY) -m tensorboard.main --logdir "$(RUNS)" --host localhost --port $(PORT)

notebooks: $(READY) ## execute the notebooks; the rendered copies go to docs/notebooks
	@$(PY) notebooks/render.py

# a file's tests share what they train, so a file goes to one process
PYTEST := -m pytest -n auto --maxprocesses 4 --dist loadfile

test: $(READY) ## the quick tests, offline
	@$(PY) $(PYTEST) -m "not slow and not nightly" $(ARGS)

test-all: $(READY) ## the quick and the slow tests, as CI runs them
	@$(PY) $(PYTEST) -m "not nightly" $(ARGS)

test-nightly: $(READY) ## the tests of hours, browsers and external services
	@$(PY) $(PYTEST) -m nightly $(ARGS)

check: $(READY) ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

clean: ## remove caches and the environment; runs and data stay
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find unsup tests -name __pycache__ -type d -exec rm -rf {} +
