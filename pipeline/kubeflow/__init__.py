"""Compiles pipeline packages for Kubeflow, submits them, and runs their steps in containers."""
