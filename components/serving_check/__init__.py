"""Checks, before a model is pushed, that it returns correct responses when it is served."""
