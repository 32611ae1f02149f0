"""The TFX pipeline: config, construction, runners, history, reports and command line."""

import os

# By default, TensorFlow uses oneDNN only on CPUs with instructions for neural networks, such as
# AVX512_VNNI, but oneDNN is faster on older CPUs, too. TensorFlow reads the variable during its
# import, and every program of this repository imports this package before TensorFlow.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
