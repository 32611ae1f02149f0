"""Pushes a blessed model as a new version, which TF Serving then loads."""
