"""The Tuner: searches for the best hyperparameters, which the Trainer then uses."""
