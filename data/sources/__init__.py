"""Where pairs come from: one module for each kind of source, each with one function, `find`.

A source returns a `RawFound`; `data.sources.pairs` assigns groups and splits.
"""
