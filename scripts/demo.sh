#!/usr/bin/env bash
# Runs the pipeline on the Blue Marble sample, through TFX's own commands. `make demo` starts it.
set -euo pipefail
cd "$(dirname "$0")/.."
export UNETFX_CONFIG=$PWD/pipeline/configs/blue_marble.yaml TF_CPP_MIN_LOG_LEVEL=3

# TensorFlow's C++ code warns about a missing GPU at any log level; the filter removes only these lines.
tfx() { .venv/bin/tfx "$@" 2> >(grep -vE '^(WARNING: All log messages before absl|[IWE]0000 )' >&2); }

# TFX registers pipelines by name in the home directory, so a pipeline of a different clone may already be registered.
verb=create
[ ! -d "${LOCAL_HOME:-$HOME/tfx/local}/blue_marble" ] || verb=update
tfx pipeline "$verb" --engine local --pipeline_path "$PWD/pipeline/local_runner.py"
tfx run create --engine local --pipeline_name blue_marble
