"""The config file: a model for each section, the loader and the documentation."""
