"""Kubeflow Pipelines: submitting a package, and the steps in its containers."""
