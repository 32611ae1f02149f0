"""Kubeflow Pipelines: compiling and submitting a package, and running steps in containers."""
