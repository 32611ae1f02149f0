"""Checks the statistics of the data against a schema and for drift between spans."""
