"""Reads pairs of files, and writes and parses the tf.Example of a pair."""
