"""The Tuner: a search for hyperparameters before the training."""
