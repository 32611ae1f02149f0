"""One training: loss, optimizer, devices, the loop over epochs, and its checkpoints."""
