# make demo: set up, then the whole pipeline on real satellite images, through the `tfx` command.
# make test: set up, with what only tests need, then every test.
.PHONY: setup demo test lint bench serve airflow lock
.DELETE_ON_ERROR:

BIN := .venv/bin
# TensorFlow and TFX take twice as long to load when Python may not keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

setup: .venv/.ready

.venv/.ready: requirements.lock requirements.dev.lock setup.py scripts/setup.sh
	@scripts/setup.sh

demo: setup
	@scripts/demo.sh

# The newest model that was pushed, of the demo or of UNETFX_CONFIG: a page to try it, REST and gRPC.
serve: setup
	@$(BIN)/unetfx serve

# Airflow in the same environment: for `tfx pipeline create --engine airflow`, and for its test.
airflow: setup
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes \
		--requirement requirements.airflow.lock

# Two processes, since a pipeline's steps keep one core busy; more would need more than 24 GiB of memory.
# The files in their own order: the longest come early.
test: setup airflow
	@scripts/test_tools.sh
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Speed and memory, each against a named rival in one run.
bench: setup
	@$(BIN)/python -m benchmarks.ingestion
	@$(BIN)/python -m benchmarks.input_pipeline
	@$(BIN)/python -m benchmarks.serving
	@$(BIN)/python -m benchmarks.precision
	@$(BIN)/python -m benchmarks.scaling
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable .[bench]
	@$(BIN)/python -m benchmarks.training
	@$(BIN)/python -m benchmarks.ideas
	@$(BIN)/python -m benchmarks.decoders

# Run after a change of setup.py: resolves the exact sets anew, for every Python that TFX supports. In files of their own
# are what only development needs, which no image has, what only an image with a GPU needs, and Airflow.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --no-header --quiet
lock:
	@cat requirements.lock >>requirements.dev.lock
	@$(COMPILE) setup.py --extra sample --extra kubeflow --extra dev --output-file requirements.dev.lock
	@cp requirements.dev.lock requirements.lock
	@$(COMPILE) setup.py --extra sample --extra kubeflow --output-file requirements.lock
	@awk '/^[a-z]/ {kept = !($$0 in had)} NR == FNR {had[$$0]; next} kept' requirements.lock requirements.dev.lock \
		>requirements.dev.only && mv requirements.dev.only requirements.dev.lock
	@echo 'tensorflow[and-cuda]' | $(COMPILE) - --constraint requirements.lock | \
		awk '/^[a-z]/ {kept = /^nvidia-/} kept' >requirements.gpu.lock
	@printf '%s; python_version < "3.13"\n' 'apache-airflow>=2.11,<3' 'alembic<1.18' pip | $(COMPILE) - \
		--constraint requirements.lock --constraint requirements.dev.lock --output-file requirements.airflow.lock
