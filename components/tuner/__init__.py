"""The Tuner: a search for the best hyperparameters, which the Trainer then uses."""
