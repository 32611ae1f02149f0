"""Evaluates models on the test split: the metrics, the gate and the choice of the baseline."""
