"""The tf.data input pipeline: from TFRecord files to batches for training and validation."""
