"""Exit codes of the `unetfx` commands and the runner scripts."""

DONE = 0
"""The command succeeded."""
FAILED = 1
"""The command failed unexpectedly, a sanity check of `unetfx model` failed, or `unetfx drift`
found drift."""
BAD_INPUT = 2
"""The config or the data are invalid, a server or a cluster is unavailable, or memory ran out."""
NOT_BLESSED = 3
"""The pipeline ran, but the gate or ServingCheck refused the model."""
