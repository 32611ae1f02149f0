"""Writes warm-up requests, which TF Serving runs before it makes a version available.

Without warm-up requests, the first requests from clients are slow. See
https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

import os

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from data.config import View
from data.files.writing import make_folder
from serving.signature import IMAGES, PROBABILITIES, SIGNATURE

WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
"""Path of the warm-up requests in the SavedModel: a TFRecord file of `PredictionLog` messages."""


def write_warmup_requests(path: str, view: View) -> None:
    """Writes one warm-up request for each signature that clients call.

    Args:
      path: Folder of the SavedModel.
      view: The model's view, which sets the size of the images in the requests.
    """
    noise = np.random.default_rng(0).integers(0, 256, (view.height, view.width, 3), np.uint8)
    requests = {
        SIGNATURE: (IMAGES, [tf.io.encode_png(noise).numpy()]),
        PROBABILITIES: ("images", noise[np.newaxis]),
    }
    file = os.path.join(path, WARMUP_REQUESTS)
    make_folder(os.path.dirname(file))
    with tf.io.TFRecordWriter(file) as writer:
        for signature, (name, value) in requests.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
