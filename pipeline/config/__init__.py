"""The config file: a pydantic model for each section, the loader and the documentation."""
