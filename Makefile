# Every target creates .venv and installs what it needs; a second call installs nothing.
# Arguments pass through ARGS: make train ARGS="experiment=mnist/dcgan seed=1"
# PYTHON names the Python of a new .venv; where .venv is of another version, it gets one of its own, as .venv-3.13.

PYTHON ?= python3
VENV := .venv
ifneq ($(origin PYTHON),file) # somebody named it; pyenv's shims run only what it has selected, so its versions are tried too
FOUND := $(shell for python in '$(PYTHON)' "$$HOME"/.pyenv/versions/*/bin/'$(PYTHON)'; do \
	"$$python" -c 'import sys; print(sys.executable, "%d.%d" % sys.version_info[:2])' 2>/dev/null && break; done)
ifeq ($(FOUND),)
$(error PYTHON=$(PYTHON) does not run; name one that does, as PYTHON=/usr/bin/python3)
endif
override PYTHON := $(firstword $(FOUND))
VENV := $(shell if [ -d .venv/lib ] && [ ! -d .venv/lib/python$(lastword $(FOUND)) ]; then \
	echo .venv-$(lastword $(FOUND)); else echo .venv; fi)
endif
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup train evaluate sample average forecast impute encode reconstruct explore report extractor sweep tensorboard test test-integration check format mutants bench results-gan results-vae results-diffusion results-sequence lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "genloom needs Python 3.11 or newer; name one: make PYTHON=python3.12 …" >&2; exit 2; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "installing into $(VENV) (once; about a minute and 6 GB)"
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --compile-bytecode -r requirements.lock
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $(STAMP)

setup: $(STAMP) ## create .venv and install what requirements.lock lists

train: $(STAMP) ## train, judge and show: a DCGAN on digits unless ARGS says otherwise
	@$(BIN)/genloom train $(ARGS)

evaluate: $(STAMP) ## judge a checkpoint or a folder of pictures: ARGS="checkpoint=PATH"
	@$(BIN)/genloom evaluate $(ARGS)

sample: $(STAMP) ## draw pictures: ARGS="checkpoint=PATH num=64 seed=3"
	@$(BIN)/genloom sample $(ARGS)

average: $(STAMP) ## another average of the weights of a run that took snapshots: ARGS="checkpoint=PATH sigma_rel=0.15"
	@$(BIN)/genloom average $(ARGS)

forecast: $(STAMP) ## what comes after the rows of a table: ARGS="checkpoint=PATH data.path=new.csv"
	@$(BIN)/genloom forecast $(ARGS)

impute: $(STAMP) ## fill the empty cells of a table: ARGS="checkpoint=PATH data.path=gaps.csv"
	@$(BIN)/genloom impute $(ARGS)

encode: $(STAMP) ## the latents of real examples, an npz: ARGS="checkpoint=PATH"
	@$(BIN)/genloom encode $(ARGS)

reconstruct: $(STAMP) ## real examples after encoding and decoding: ARGS="checkpoint=PATH images=FOLDER"
	@$(BIN)/genloom reconstruct $(ARGS)

explore: $(STAMP) ## look inside a model, a picture each: ARGS="checkpoint=PATH"
	@$(BIN)/genloom explore $(ARGS)

report: $(STAMP) ## tables of runs: ARGS="runs/mnist out=docs"
	@$(BIN)/genloom report $(ARGS)

extractor: $(STAMP) ## a feature extractor for labelled images: ARGS="data=image_folder data.root=FOLDER name=pets"
	@$(BIN)/genloom extractor $(ARGS)

sweep: $(STAMP) ## several runs: ARGS="seed=0,1,2 model=gan/dcgan,gan/dense"
	@$(BIN)/genloom train --multirun $(ARGS)

tensorboard: $(STAMP) ## open the curves, pictures and hyperparameters of all runs
	@$(BIN)/tensorboard --logdir runs $(ARGS)

test: $(STAMP) ## run the tests, two at a time; on another Python: PYTHON=python3.13; by ARGS only some, one at a time
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2)

test-integration: $(STAMP) ## run the tests that open a browser or take minutes
	@$(BIN)/python -m pytest -m integration $(ARGS)

check: $(STAMP) ## format, lint and types, as they must be
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright

format: $(STAMP) ## put the code into shape
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

mutants: $(STAMP) ## change one thing in the code at a time and see whether the tests notice: ARGS="--num 200 --jobs 2"
	@$(BIN)/python scripts/tools/mutate.py $(ARGS)

bench: $(STAMP) ## measure the speed against reference loops
	@$(BIN)/python scripts/bench/throughput.py $(ARGS)
	@$(BIN)/python scripts/bench/vae.py $(ARGS)
	@$(BIN)/python scripts/bench/generation.py $(ARGS)
	@$(BIN)/python scripts/bench/diffusion.py $(ARGS)
	@$(BIN)/python scripts/bench/disk.py

results-gan: $(STAMP) ## train all GANs of MNIST (hours), write docs/results/tables.md; set GENLOOM_DATA
	@$(BIN)/python scripts/results/gan.py $(ARGS)

results-vae: $(STAMP) ## train all VAEs of MNIST and of shapes (hours), write docs/results/tables.md; set GENLOOM_DATA
	@$(BIN)/python scripts/results/vae.py $(ARGS)

results-diffusion: $(STAMP) ## train all diffusion models of MNIST (hours), write docs/results/tables.md; set GENLOOM_DATA
	@$(BIN)/python scripts/results/diffusion.py $(ARGS)

results-sequence: $(STAMP) ## train the forecasting and text recipes (hours), write docs/results/tables.md; set GENLOOM_DATA
	@$(BIN)/python scripts/results/sequence.py $(ARGS)

lock: ## resolve requirements.lock anew, for all platforms
	@test -x $(BIN)/uv || { "$(PYTHON)" -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --extra dev --upgrade pyproject.toml -o requirements.lock

clean: ## remove caches and builds; runs and .venv stay
	@rm -rf build dist .pytest_cache .ruff_cache
	@find src scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
