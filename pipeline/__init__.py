"""The pipeline: its config, its wiring, its runners, its command line."""

import os

# On CPUs without AVX-512, TensorFlow disables Intel's oneDNN by default, although it is faster
# there, too. TensorFlow reads the variable when it is loaded, and every program imports this
# package before that.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
