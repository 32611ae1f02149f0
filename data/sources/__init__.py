"""Finds image and mask pairs: one module for each kind of source, listed in `registry`."""
