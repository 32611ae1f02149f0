"""Evaluation on the test split: IoU metrics for TFMA, the gate, the baseline to compare with."""
