"""Runs the pipeline on this machine, with progress, logs and a lock; registers it with Airflow."""
