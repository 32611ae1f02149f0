"""The `unetfx` command and its sub-commands."""
