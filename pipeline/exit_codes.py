"""Exit codes of the `unetfx` commands and of the runner scripts."""

DONE = 0
"""The command succeeded."""
FAILED = 1
"""An unexpected failure; for `unetfx model`, a failed sanity check."""
BAD_INPUT = 2
"""The config or the data are wrong, or a server, a cluster or memory is not available."""
NOT_BLESSED = 3
"""The pipeline ran, but the gate or ServingCheck refused the model."""
