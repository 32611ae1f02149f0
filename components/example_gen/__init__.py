"""Ingestion: pairs of image and mask files to tf.Examples in TFRecords, by Beam."""
