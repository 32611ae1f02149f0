"""Speed and memory, each as a ratio against a named rival in one run."""
