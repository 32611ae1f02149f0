"""Lists the image and mask pairs of a source, and keeps the list between runs."""
