"""The tf.Example of a pair: its features, how it is written, and how it is read back."""
