"""The training loop, loss, optimizer, devices, metrics, checkpoints and logs."""
