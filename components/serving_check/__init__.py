"""Checks that a model serves correctly, before the model is pushed."""
