"""Plans a config for a folder of data, for `unetfx init`."""
