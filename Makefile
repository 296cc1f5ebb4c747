# Two commands do everything on a bare machine with Python >= 3.11 and make:
#   make run    set up, then photographs -> pairs -> trained -> evaluated -> champion -> bento
#   make test   set up, then lint, types, layers and all tests
# `make setup TORCH=cpu` installs the CPU build of torch (needs its index; about 5 GB less).

PYTHON ?= python3
VENV := .venv
# What was set up once stays: `make setup TORCH=cpu`, then plain `make run`.
TORCH ?= $(if $(wildcard $(VENV)/.ready-cpu),cpu,default)
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready-$(TORCH)
PICTURE := data/raw/photographs/coffee.png

export PATH := $(BIN):$(PATH)
export PREFECT_HOME ?= $(CURDIR)/.prefect
export BENTOML_HOME ?= $(CURDIR)/.bentoml
export OMP_WAIT_POLICY ?= PASSIVE
export DO_NOT_TRACK = true
export MLFLOW_DISABLE_TELEMETRY = true
export BENTOML_DO_NOT_TRACK = True
export PREFECT_SERVER_ANALYTICS_ENABLED = false
export DVC_NO_ANALYTICS = 1
export GX_ANALYTICS_ENABLED = false
export GRADIO_ANALYTICS_ENABLED = False
export PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE = \
  prefect.server.concurrency.lease_storage.filesystem
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS = 120

.DEFAULT_GOAL := help
.PHONY: help setup run test unit e2e matrix lint format bench serve ui lock dvc-deps clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## create .venv with exactly the locked versions

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python >= 3.11 is needed, found $$($(PYTHON) --version); set PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
ifeq ($(TORCH),cpu)
	sed -E '/^nvidia-|^triton==/d; /^ +--hash/d; s/ *\\$$//; /^ *#/d' requirements.lock > $(VENV)/cpu.txt
	$(BIN)/uv pip install --python $(BIN)/python --torch-backend cpu --constraint $(VENV)/cpu.txt \
	  --editable '.[pipeline,serve,ui,scale,community,dev]'
else
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --editable .
endif
	@rm -f $(VENV)/.ready-*
	@touch $@

run: setup ## the whole line on the embedded photographs, to a served champion
	dvc repro
	superres package --check $(PICTURE)
	@echo; cat reports/evaluation.md; echo; cat reports/promotion.md
	@echo "Report: reports/index.html   Runs: make ui   Service: make serve"

test: lint unit e2e ## lint, types, layers, unit tests, then the real servers

unit: setup
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadscope -m "not e2e and not matrix"

e2e: setup
	pytest -m e2e

matrix: setup ## every experiment file through the training flow, a few steps each
	pytest -m matrix

lint: setup ## ruff, mypy strict, import layers
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: setup ## let ruff format and fix
	ruff check --fix .
	ruff format .

bench: setup ## speed and memory, side by side with references
	python benchmarks/data.py
	python benchmarks/training.py
	python benchmarks/upscale.py
	python benchmarks/video.py
	python benchmarks/run.py

serve: setup ## serve the champion on http://127.0.0.1:3000
	bentoml serve superres.service:SuperRes --host 127.0.0.1 --port 3000

ui: setup ## the MLflow UI on http://127.0.0.1:5000
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --host 127.0.0.1 --port 5000 --workers 1 \
	  --backend-store-uri sqlite:///$(CURDIR)/mlflow.db --artifacts-destination $(CURDIR)/mlartifacts

lock: ## resolve the newest versions that fit into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet -o requirements.lock

dvc-deps: setup ## write the code that each DVC stage reaches into dvc.yaml
	python tests/import_closure.py

clean: ## remove what running makes; data/raw, models and .venv stay
	rm -rf runs reports data/frames data/pairs .mypy_cache .ruff_cache .pytest_cache .hypothesis
