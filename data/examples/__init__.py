"""The tf.Example of a pair: names of its features, writing, and parsing."""
