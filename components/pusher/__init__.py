"""Pushes a blessed model as a new version for TF Serving."""
