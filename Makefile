# Thin verbs over `python -m unsup …`. `make` alone prints the list of verbs.
#   VENV=<folder>   another virtual environment, created and filled if needed
#   PY=<python>     an interpreter that has all packages; nothing is installed
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

.DEFAULT_GOAL := help
VERBS := start train resume sweep finetune audit evaluate label classify similar encode export zero_shot models compare results reproduce selfcheck
OTHERS := help install bench dashboard docs notebooks test test-all test-nightly check release-check clean
.PHONY: $(VERBS) $(OTHERS)

# Prints the one of the following words that is most like the first.
closest := $(PYTHON) -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1))'

help: ## print this list
	@awk -F ':.*## ' '/^##@ / {print "\n" substr($$0, 5)} /^[a-z_-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nARGS="--model.lr 0.01 …" passes further options on to the verbs of unsup; ARGS=--help lists them.\n'

.DEFAULT:
	@near=$$($(closest) '$@' $(VERBS) $(OTHERS)); \
	echo "make has no target '$@': $${near:+did you mean make $$near? }make help lists them" >&2; exit 2

# The interpreter is order-only, so that its date does not trigger an install.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"unsup needs Python 3.11 or newer, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.12 …" if v < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# The stamp is written last, so that an install that failed is tried again.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing PyTorch, Lightning and the other packages into $(VENV), once. On Linux this is about 6 GB with the"
	@echo "CUDA libraries: some minutes on a fast connection. README, \"Installation\", has the way to a smaller one."
	$(VENV)/bin/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(VENV)/bin/python -m pip check
	@$(VENV)/bin/python -c 'import torch, torchvision; torchvision.ops.nms' \
	  || { echo "torch and torchvision in $(VENV) do not fit together: remove $(VENV) and run make install" >&2; exit 1; }
	@touch $@

# The verbs of unsup. Each takes some variables; unsup/core/commands.py has the same table.
OPTIONS := SEEDS=--seeds DATA=--data SEED=--seed GRID=--grid EPOCHS=--epochs WORDS=--words \
  IMAGES=--images DATA_ROOT=--data_root OUT=--out LABELS=--labels SORT=--sort A=--a B=--b ONNX=--onnx RUNS=--runs \
  EVALUATE=--evaluate LOGGER=--logger ENCODER=--encoder CODES=--codes TEXT_ENCODER=--text_encoder \
  SHARE=--share SCRATCH=--scratch CHECKPOINT=--checkpoint PICTURE=--picture
LISTS := MODELS SEEDS GRID WORDS
FLAGS := ONNX SCRATCH
MODELS ?= $(MODEL)
option = $(patsubst $1=%,%,$(filter $1=%,$(OPTIONS)))
# What the user typed, with its $ and its quotes, as one word for the shell.
literal = '$(subst ','\'',$(value $1))'
given = $(if $(filter $1,$(LISTS)),$($1),$(value $1))
quoted = $(if $(filter $1,$(LISTS)),$($1),$(if $(filter $1,$(FLAGS)),,$(call literal,$1)))
# A variable that is misspelt, or that the verb does not take, is an error.
GIVEN := $(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $v)),$v))
near = $(shell $(closest) "$$(printf %s '$1' | tr '[:lower:]' '[:upper:]')" $(TAKES))
meant = $(or $(patsubst %,did you mean %=?,$(call near,$1)),give it $(strip $(TAKES) ARGS))
checked = $(foreach v,$(filter-out $(TAKES) $(if $(filter MODELS,$(TAKES)),MODEL) ARGS RUNS PY PYTHON VENV,$(GIVEN)),$(error $@ takes no $v=: $(call meant,$v)))$(alone)$(runnable)
comma := ,
# make reads a word without a name as another target.
stray = $(firstword $(filter-out $(VERBS) $(OTHERS),$(MAKECMDGOALS)))
alone = $(if $(stray),$(error $@ $(stray): $(if $(TAKES),make takes words with a name$(comma) as in $(firstword $(TAKES))=$(stray),$@ takes no words)))
# An interpreter that is named must be there.
runnable = $(if $(shell command -v "$(PY)"),,$(error PY=$(PY) is no program: leave it out, or name a Python that has the packages of unsup))
passed = $(foreach v,$(TAKES),$(if $(call given,$v),$(call option,$v) $(call quoted,$v))) $(ARGS)

##@ Look at your images first
start: TAKES := IMAGES ENCODER DATA_ROOT RUNS ## show an audit, a map, clusters and neighbours of IMAGES= on one page, in a minute [ENCODER="one two"]

##@ Train
train: TAKES := MODEL DATA SEED EPOCHS IMAGES DATA_ROOT EVALUATE LOGGER RUNS ## train MODEL=, evaluate it and write a report [DATA= SEED= EPOCHS= DATA_ROOT= IMAGES= EVALUATE=full|quick|no LOGGER=csv|wandb|mlflow]
resume: TAKES := RUN EPOCHS IMAGES DATA_ROOT ## continue the interrupted RUN=, then evaluate it [EPOCHS= in all, to train a finished one longer; DATA_ROOT= IMAGES= if the images have moved]
sweep: TAKES := MODELS SEEDS DATA GRID EPOCHS IMAGES DATA_ROOT EVALUATE LOGGER RUNS ## train all combinations of MODELS="ae vae" SEEDS="0 1 2" [GRID="model.code_dim=10,30" DATA= EPOCHS= EVALUATE= LOGGER=]
finetune: TAKES := RUN SHARE SCRATCH SEED EPOCHS IMAGES DATA_ROOT ## train the encoder of RUN= further with labels, no frozen probe [SHARE=0.01|0.1|1 of the labels SCRATCH=1 SEED= EPOCHS=]
models: TAKES := ## list the recipes with the score and the minutes to expect

##@ Evaluate and compare
audit: TAKES := IMAGES DATA DATA_ROOT OUT RUNS ## look for copies, leaks, odd files, doubtful labels and shortcuts in IMAGES= or DATA= [OUT=]
evaluate: TAKES := RUN CHECKPOINT ENCODER CODES DATA IMAGES DATA_ROOT LABELS EVALUATE RUNS ## evaluate RUN= again [CHECKPOINT=best], or any ENCODER= or CODES= on IMAGES= or DATA= [LABELS=names.csv EVALUATE=full|quick RUNS=]
compare: TAKES := DATA SORT A B LABELS RUNS ## print all reports of RUNS= side by side [DATA= SORT="few-label 10" A=simclr B=vicreg; LABELS=names.csv]
results: TAKES := RUN ## record the reports of RUN="…" in results/ and write the tables and cards
reproduce: TAKES := CARD SEEDS IMAGES DATA_ROOT RUNS ## train the row of CARD= (in results/cards) again and check its scores [SEEDS="0 1" or all]
selfcheck: TAKES := ## check the evaluator on codes with known scores

##@ Use a trained run
label: TAKES := RUN ENCODER IMAGES LABELS OUT RUNS ## make a page on which people name pictures by RUN= or ENCODER= [IMAGES= LABELS=labels.csv OUT=]
classify: TAKES := RUN IMAGES OUT LABELS SORT ## sort the pictures of IMAGES= by RUN= [LABELS=names.csv SORT=copy|link OUT=]
similar: TAKES := RUN PICTURE IMAGES OUT ## show the images nearest to PICTURE=, of RUN= or of IMAGES= [OUT=]
encode: TAKES := RUN IMAGES OUT ## write the codes of the pictures of IMAGES= by RUN= [OUT=codes.npz or codes.parquet]
export: TAKES := RUN OUT ONNX ## write the encoder of RUN= for use elsewhere, and check the copy [OUT= ONNX=1]
zero_shot: TAKES := RUN WORDS TEXT_ENCODER IMAGES DATA_ROOT ## name the clusters of RUN= from WORDS="cat dog" by an image-text TEXT_ENCODER=

start: LISTS := ENCODER
results: LISTS := RUN
reproduce: override RUNS := $(RUNS)/reproduced

$(VERBS): export UNSUP_VIA := make
$(VERBS): $(READY)
	$(checked)@$(PY) -m unsup $@ $(passed)

##@ Look
dashboard: $(READY) ## open TensorBoard for RUNS= on localhost [PORT=6006]
	@test -d $(call literal,RUNS) || { echo "there are no runs in" $(call literal,RUNS)": train one with make train MODEL=ae, or give RUNS=<folder>" >&2; exit 2; }
	@$(PY) -c 'import socket, sys; socket.create_server(("localhost", int(sys.argv[1]))).close()' "$(PORT)" 2>/dev/null \
	  || { echo "PORT=$(PORT) is in use or not allowed: try make dashboard PORT=6007" >&2; exit 2; }
	@echo "models side by side  http://localhost:$(PORT)/#hparams"
	@echo "curves, drawn together  http://localhost:$(PORT)/#custom_scalars"
	@$(PY) -m tensorboard.main --logdir $(call literal,RUNS) --host localhost --port $(PORT)

docs: EXECUTE := ## build the manual into build/docs/html [ARGS="-b linkcheck" tries its links to the web]
notebooks: EXECUTE := -D nb_execution_mode=cache ## the same with executed notebooks; those that did not change come from a cache
docs notebooks: $(READY)
	@mkdir -p build/docs/source
	@$(PY) -m sphinx -q -a -c docs -j auto --fail-on-warning --keep-going -d build/docs/doctrees $(EXECUTE) $(ARGS) build/docs/source build/docs/html
	@echo "manual     build/docs/html/index.html"

##@ Develop
install: $(READY) ## create .venv and install the packages, if that is not done yet

check: $(READY) ## run ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

# The tests of a file share what they train, so each file goes to one process.
PYTEST := -m pytest -n auto --maxprocesses 4 --dist loadfile

test: $(READY) ## run the quick tests, offline
	@$(PY) $(PYTEST) -m "not slow and not nightly" $(ARGS)

test-all: $(READY) ## run the quick and the slow tests, as CI does
	@$(PY) $(PYTEST) -m "not nightly" $(ARGS)

test-nightly: $(READY) ## run the tests that take hours, or need browsers or external services
	@$(PY) $(PYTEST) -m nightly $(ARGS)

bench: $(READY) ## compare the speed with a plain loop, Lightning's defaults and others [ARGS=--quick DATA_ROOT=]
	@$(PY) benchmarks/bench.py $(if $(value DATA_ROOT),--data_root $(call literal,DATA_ROOT)) $(ARGS)

release-check: docs ## build and check a wheel, an sdist and the manual; nothing is uploaded
	@$(PY) tests/release.py build/release

clean: ## remove caches and the environment, but not runs and data
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find unsup tests -name __pycache__ -type d -exec rm -rf {} +
