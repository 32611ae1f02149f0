"""Scheduled retraining: finding changes, sending notifications and removing old artifacts."""
