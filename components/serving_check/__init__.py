"""Checks before a model is pushed that it can serve."""
