"""Uses Beam to convert pairs of image and mask files to tf.Examples in TFRecord files."""
