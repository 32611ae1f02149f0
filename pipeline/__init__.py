"""Configures, builds and runs the TFX pipeline, and provides the command line and reports."""

import os

from pipeline.late_import import load_late

# By default, TensorFlow uses oneDNN only on CPUs that have neural-network instructions, such as
# AVX512_VNNI. oneDNN is faster on older CPUs too, so it is enabled unless the user has set the
# variable. The variable must be set before TensorFlow is imported, and every program in this
# repository imports this package first.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# The API of TFX imports its components for Vertex AI, its runner for Kubeflow, and a runner of
# servers on Kubernetes. The clients of these services, which few programs need, take as long to
# load as all the rest.
load_late("tfx.v1.extensions.google_cloud_ai_platform")
load_late("tfx.v1.orchestration.experimental")
load_late("tfx.components.infra_validator.model_server_runners.kubernetes_runner")
# Keras imports its wrappers for scikit-learn, and Beam the clients of BigQuery and Pub/Sub.
load_late("keras.wrappers")
load_late("google.cloud.bigquery")
load_late("google.cloud.pubsub")
