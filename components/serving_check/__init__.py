"""Checks before the push that a model returns correct responses when it is served."""
