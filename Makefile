# make demo: sets up, then runs the whole pipeline on real satellite images, through the `tfx` command.
# make test: sets up, then runs every test; make test ARGS="tests/data -k png" runs a part.
.PHONY: setup demo test lint docs bench serve airflow lock
.DELETE_ON_ERROR:

BIN := .venv/bin
# Installs at the versions and hashes of requirements.lock.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --requirement pyproject.toml
# Without compiled Python files, TensorFlow and TFX take twice as long to load.
unexport PYTHONDONTWRITEBYTECODE

setup: .venv/.ready

.venv/.ready: requirements.lock setup.py scripts/setup.sh
	@scripts/setup.sh

demo: setup
	@scripts/demo.sh

# Serves the newest pushed model of the demo, or of UNETFX_CONFIG: a page to try it, REST and gRPC.
serve: setup
	@$(BIN)/unetfx serve

# Installs Airflow into .venv, for `tfx pipeline create --engine airflow` and for its test.
airflow: setup
	@$(INSTALL) --extra airflow

ifdef ARGS
test: setup
	@$(BIN)/pytest $(ARGS)
else
# Two processes, since a pipeline's steps keep only one core busy; more would need more than 24 GiB of memory.
# The files run in their own order: the longest come early. `make test COVERAGE=` does not measure coverage, which costs a fifth
# to two fifths of processor time on Python 3.11.
COVERAGE := --cov --cov-report= -p scripts.coverage_summary
test: setup airflow
	@scripts/test_tools.sh
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)
endif

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# Makes docs/config.md and docs/config.schema.json from the docstrings of the config's classes.
docs: setup
	@$(BIN)/python -m pipeline.config.documentation

# Measures speed and memory, each against a named rival in the same run.
bench: setup
	@$(BIN)/python -m benchmarks.ingestion
	@$(BIN)/python -m benchmarks.input_pipeline
	@$(BIN)/python -m benchmarks.serving
	@$(BIN)/python -m benchmarks.precision
	@$(BIN)/python -m benchmarks.scaling
	@$(INSTALL) --extra bench
	@$(BIN)/python -m benchmarks.training
	@$(BIN)/python -m benchmarks.ideas
	@$(BIN)/python -m benchmarks.decoders

# Run this after a change of dependencies in pyproject.toml: resolves them, with all extras, for every Python that TFX
# supports. Versions in the lock stay unless they no longer fit; add --upgrade or --upgrade-package NAME by LOCK_ARGS.
lock:
	@$(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --no-header --quiet \
		pyproject.toml --all-extras --group dev --output-file requirements.lock $(LOCK_ARGS)
