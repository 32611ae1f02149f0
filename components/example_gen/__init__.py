"""Ingestion with Beam: from pairs of image and mask files to tf.Examples in TFRecord files."""
