"""Searches hyperparameters, before the training."""
