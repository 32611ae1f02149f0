"""Data sources: each kind is a module with a subclass of `data.sources.source.Source`.

A source finds pairs; `data.sources.pairs` assigns groups and splits to them.
"""
