"""Segments image files: finds the images, and writes masks, overlays and a table."""
