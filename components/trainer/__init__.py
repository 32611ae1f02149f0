"""The Trainer: the network, its training and its export."""
