"""The tf.data input pipeline: turns TFRecord files into batches for training and validation."""
