"""Reads image and mask files in several formats, and encodes their pixels for storage."""
