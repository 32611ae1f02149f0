# make demo: sets up, then runs the whole pipeline on real satellite images, through the `tfx` command.
# make test: sets up, then runs every test; make test ARGS="tests/data -k png" runs a part.
.PHONY: setup demo test lint docs bench serve airflow lock image
.DELETE_ON_ERROR:

BIN := .venv/bin
# Installs packages at the versions and hashes of requirements.lock.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --requirement pyproject.toml
# Python must write compiled files: without them, TensorFlow and TFX take twice as long to load.
unexport PYTHONDONTWRITEBYTECODE

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml setup.py scripts/setup.sh
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
# The tests run in four processes, since they wait for servers and other programs for a third of their time. The files keep
# their order, in which the longest come first (tests/conftest.py). SlipCover measures the line coverage.
test: setup airflow
	@scripts/test_tools.sh
	@$(BIN)/python -m slipcover --json --out .coverage.json -m pytest \
		--numprocesses 4 --dist loadfile --no-loadscope-reorder -p scripts.coverage_summary
endif

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# Builds the container image unetfx:latest with podman or Docker; see scripts/image.sh for another tag, or CUDA's libraries.
image:
	@scripts/image.sh

# Makes docs/config.md and docs/config.schema.json from the docstrings of the config's classes.
docs: setup
	@$(BIN)/python -m pipeline.config.documentation

# Measures speed and memory, and reads hostile files. Most benchmarks compare with a named rival in the same run.
bench: setup
	@$(BIN)/python -m benchmarks.ingestion
	@$(BIN)/python -m benchmarks.input_pipeline
	@$(BIN)/python -m benchmarks.serving
	@$(BIN)/python -m benchmarks.attacks
	@$(BIN)/python -m benchmarks.precision
	@$(BIN)/python -m benchmarks.scaling
	@$(BIN)/python -m benchmarks.gate
	@$(BIN)/python -m benchmarks.many_classes
	@$(BIN)/python -m benchmarks.evaluation
	@$(BIN)/python -m benchmarks.calibration
	@$(BIN)/python -m benchmarks.drift
	@$(BIN)/python -m benchmarks.hostile
	@$(BIN)/python -m benchmarks.annotations
	@$(INSTALL) --extra bench
	@$(BIN)/python -m benchmarks.training
	@$(BIN)/python -m benchmarks.ideas
	@$(BIN)/python -m benchmarks.decoders
	@$(BIN)/python -m benchmarks.recipe
	@$(BIN)/python -m benchmarks.encoders
	@$(BIN)/python -m benchmarks.labels
	@$(BIN)/python -m benchmarks.next_labels
	@$(INSTALL) --extra race
	@$(BIN)/python -m benchmarks.race

# Updates requirements.lock after a change of dependencies in pyproject.toml, with all extras, for every Python that TFX
# supports. Locked versions change only if they no longer fit; to upgrade, set LOCK_ARGS to --upgrade or
# --upgrade-package NAME.
lock:
	@$(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --no-header --quiet \
		pyproject.toml --all-extras --group dev --output-file requirements.lock $(LOCK_ARGS)
