"""Data sources: one module per kind of source finds the pairs; `registry` lists the kinds.

The module `pairs` assigns a group and a split to each pair.
"""
