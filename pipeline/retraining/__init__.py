"""Scheduled retraining: what is new, who is notified, and what is removed."""
