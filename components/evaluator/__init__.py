"""Evaluation on the test split: metrics for TFMA, the gate, and the baseline to compare with."""
