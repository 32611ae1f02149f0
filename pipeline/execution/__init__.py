"""Running the pipeline on this machine: progress, logs, the lock, and the Beam runner."""
