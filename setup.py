"""Entry point for tools that run setup.py, such as Beam; the metadata is in pyproject.toml."""

from setuptools import setup

setup()
