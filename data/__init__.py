"""What an example is: a pair of image and mask files, and the tf.Example it becomes."""
