"""What an example is: pairs of image and mask files, their checks, and the tf.Example they become."""
