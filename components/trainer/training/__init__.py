"""Training: the loop, its loss, optimizer, devices, metrics, checkpoints and logs."""
