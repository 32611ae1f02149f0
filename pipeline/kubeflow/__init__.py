"""Kubeflow Pipelines: compiles and submits packages, and runs steps in containers."""
