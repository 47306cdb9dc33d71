# `make run` serves; `make test` proves. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint format models setup setup-dev clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

run: setup ## install, fetch the weights, serve on 127.0.0.1:8000
	@$(BIN)/python -m scripts.run

test: setup-dev lint ## lint, types and every test, with the real models
	$(BIN)/python -m pytest

lint: setup-dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup-dev ## let ruff put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: setup ## fetch the weights ahead of time
	$(BIN)/python -m src.core.model_store

setup: $(VENV)/installed ## make .venv
setup-dev: $(VENV)/installed-dev

$(VENV)/installed: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): some minutes and 8 GB the first time, then never again."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean: ## remove .venv and caches; weights and stored audio stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
