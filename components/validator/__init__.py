"""Checks the statistics of the data: schema, ranges, and drift between spans."""
