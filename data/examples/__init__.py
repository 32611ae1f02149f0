"""Reads pairs of image and mask files, and builds and parses the tf.Example of each pair."""
