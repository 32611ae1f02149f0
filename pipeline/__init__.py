"""The pipeline: config, construction, runners and command line."""

import os

# Read when TensorFlow is loaded, so it stands here: whoever starts a pipeline imports this first.
# On CPUs without AVX-512, TensorFlow leaves Intel's oneDNN off, which is faster there too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
