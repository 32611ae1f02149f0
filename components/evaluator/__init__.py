"""Evaluation on the test split: IoU metrics for TFMA, the gate, and the baseline to compare with."""
