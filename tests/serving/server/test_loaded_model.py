"""Tests of a SavedModel in memory."""

import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_log_pb2,
)


def test_without_a_description_a_model_is_served_all_the_same(
    serve, push, folder, saved_model, class_of_red
):
    push(saved_model, folder, 3)
    shutil.rmtree(folder / "3/assets.extra")
    running = serve(3)
    assert class_of_red(running) == 0


def write_warmup(folder, *images, signature=""):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(images, tf.string))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    with tf.io.TFRecordWriter(str(folder / "assets.extra/tf_serving_warmup_requests")) as writer:
        writer.write(log.SerializeToString())


@pytest.mark.parametrize("bad", [None, "image", "signature"])
def test_a_version_is_warmed_up_before_it_is_served(
    serve, push, folder, saved_model, other_model, picture, tmp_path, bad, class_of_red
):
    push(saved_model, folder, 3)
    running = serve(3)
    shutil.copytree(other_model, tmp_path / "warm")
    images = [b"no image"] if bad == "image" else [picture(), picture(40, 30)]
    write_warmup(tmp_path / "warm", *images, signature="x" if bad == "signature" else "")
    push(tmp_path / "warm", folder, 4)
    running.wait(4, "END" if bad else "AVAILABLE")
    assert class_of_red(running) == (0 if bad else 1)
