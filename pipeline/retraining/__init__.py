"""Scheduled retraining: finds changes, sends notifications, and removes old artifacts."""
