"""Finds and segments image files, and writes masks, overlays and a table of class shares."""
