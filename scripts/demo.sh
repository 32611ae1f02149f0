#!/usr/bin/env bash
# The main job on the Blue Marble sample, by the commands that TFX users know. `make demo` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
export UNETFX_CONFIG=$PWD/pipeline/configs/blue_marble.yaml TF_CPP_MIN_LOG_LEVEL=3

# TensorFlow's C++ part says that there is no GPU, whatever it is told; the rest of what the command says is shown.
tfx() { .venv/bin/tfx "$@" 2> >(grep -vE '^(WARNING: All log messages before absl|[IWE]0000 )' >&2); }

# TFX remembers pipelines by name in the home directory, perhaps from another clone.
verb=create
[ ! -d "${LOCAL_HOME:-$HOME/tfx/local}/blue_marble" ] || verb=update
tfx pipeline "$verb" --engine local --pipeline_path "$PWD/pipeline/local_runner.py"
tfx run create --engine local --pipeline_name blue_marble
