"""Builds the pipeline nodes that differ between this machine and Kubeflow or Vertex AI."""
