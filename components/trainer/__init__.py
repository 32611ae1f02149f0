"""The Trainer: builds, trains and exports the network."""
