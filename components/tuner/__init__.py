"""The search for hyperparameters before the training."""
