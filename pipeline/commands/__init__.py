"""The `unetfx` command line and its commands."""
