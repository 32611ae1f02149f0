"""The tf.data input pipeline: from TFRecords to the batches that the network trains on."""
