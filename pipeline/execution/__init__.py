"""Runs the pipeline on this machine: progress, logs, lock, Beam runner, Airflow registration."""
