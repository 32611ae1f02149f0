"""Runs jobs over many files in several processes."""
