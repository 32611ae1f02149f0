"""Finds, checks and stores pairs of image and mask files, and feeds stored pairs to training."""
