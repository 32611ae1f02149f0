"""Finds, checks and stores pairs of image and mask files, and reads them for training."""
