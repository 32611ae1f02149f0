"""Configures, builds and runs the TFX pipeline, and provides the command line and reports."""

import os

from pipeline.late_import import load_late

# By default, TensorFlow uses oneDNN only on CPUs that have neural-network instructions, such as
# AVX512_VNNI. oneDNN is faster on older CPUs too, so it is enabled unless the user has set the
# variable. The variable must be set before TensorFlow is imported, and every program in this
# repository imports this package first.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# The API of TFX imports its components for Vertex AI, and with them a client of Google, which takes
# about as long to load as the rest of TFX.
load_late("tfx.v1.extensions.google_cloud_ai_platform")
