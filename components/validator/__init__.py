"""Checks the statistics of the data against a schema, and the newest span of data for drift."""
