"""Pairs of image and mask files, the tf.Examples made of them, and their reading for training."""
