# make: the benchmark on its embedded default.   make test: the tests.   make help: everything else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CORES ?= all
RUN := $(BIN)/snakemake --cores $(CORES)
IN_PARALLEL := --numprocesses 2 --dist loadfile

.DEFAULT_GOAL := benchmark
.PHONY: benchmark setup test test-fast check check-mnist check-paper report bench lint help

benchmark: setup  ## tables and figures of the embedded default (config/config.yaml)
	$(RUN)

setup: .venv/installed  ## virtual environment with pinned dependencies and the project

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,examples]'
	touch $@

test: setup  ## the tests, a file at a time on each of two processes
	$(BIN)/python -m pytest $(IN_PARALLEL)

test-fast: setup  ## the tests without those that run the pipeline
	$(BIN)/python -m pytest $(IN_PARALLEL) -m "not pipeline"

check: benchmark  ## run the default grid again if needed and compare it with results/reference/default
	$(BIN)/python -m workflow.scripts.compare results/reference/default results/default

check-mnist: setup  ## compare a finished run of config/mnist.yaml with results/reference/mnist; starts none
	$(BIN)/python -m workflow.scripts.compare results/reference/mnist results/mnist

check-paper: setup  ## compare a finished run of config/paper.yaml with results/reference/paper; starts none
	$(BIN)/python -m workflow.scripts.compare results/reference/paper results/paper

report: benchmark  ## report.html: tables, figures and provenance in one file
	$(RUN) --report report.html

bench: setup  ## results/bench: speed beside peers and limits, ten minutes on one core (BENCH='--only parzen', say)
	$(BIN)/python -m bench $(BENCH)

lint: setup  ## style of the code and of the workflow
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules && $(BIN)/snakemake --lint

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/  /'
