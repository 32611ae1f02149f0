"""Running the pipeline: on this machine, on Kubeflow, and what both need."""
