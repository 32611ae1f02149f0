"""Defines, loads and documents the config file, with a pydantic model for each section."""
