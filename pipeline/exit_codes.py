"""Exit codes of the `unetfx` commands and of the runner scripts."""

DONE = 0
FAILED = 1
"""Exit code after an unexpected failure."""
BAD_INPUT = 2
"""The config or the data are wrong, or a server, a cluster or memory is not available."""
NOT_BLESSED = 3
"""The pipeline ran, but the gate or ServingCheck refused the model."""
