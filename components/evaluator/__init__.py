"""Evaluates models on the test split: metrics for TFMA, the gate, and the choice of a baseline."""
