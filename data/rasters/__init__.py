"""Reads image and mask files of several formats, and encodes their pixels for storage."""
