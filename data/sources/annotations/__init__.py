"""Draws masks from the outlines of objects that annotation tools write as JSON."""
