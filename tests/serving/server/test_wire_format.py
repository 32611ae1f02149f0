"""Limits on the fields of protocol buffers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

from data.examples.features import IMAGE
from serving.server.errors import RequestError
from serving.server.wire_format import (
    EXAMPLE,
    MAX_FIELDS,
    MAX_OTHER_BYTES,
    PREDICT_REQUEST,
    check_fields,
)


def predict_request(tensor, **more):
    request = predict_pb2.PredictRequest(**more)
    request.model_spec.name = "discs"
    request.inputs["x"].CopyFrom(tensor)
    return request


@pytest.mark.parametrize(
    "values",
    [
        [b"an image" * 10**6] * 20,
        [b"an image"] * (MAX_FIELDS // 2),
        np.zeros((1, 2000, 2000, 3), np.uint8),
        np.zeros(100, np.float32),
    ],
    ids=["long strings", "many strings", "an image", "numbers"],
)
def test_usual_requests_pass(values):
    request = predict_request(tf.make_tensor_proto(values), output_filter=["mask_png_bytes"])
    check_fields([request.SerializeToString()], PREDICT_REQUEST)


def test_an_example_with_large_images_passes():
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes(10**7)]))
    example = tf.train.Example(features=tf.train.Features(feature={IMAGE: feature}))
    check_fields(3 * [example.SerializeToString()], EXAMPLE)


TENSOR = tf.make_tensor_proto([b""]).__class__
HOSTILE = {
    "strings": predict_request(TENSOR(dtype=7, string_val=[b""] * MAX_FIELDS)),
    "dimensions": predict_request(
        TENSOR(dtype=7, tensor_shape=tf.TensorShape([1] * MAX_FIELDS).as_proto())
    ),
    "numbers": predict_request(TENSOR(dtype=4, int_val=[1] * (MAX_OTHER_BYTES + 1))),
    "filters": predict_pb2.PredictRequest(output_filter=[""] * (MAX_FIELDS + 1)),
    "name": predict_pb2.PredictRequest(
        model_spec={"name": "n" * (MAX_OTHER_BYTES + 1)}  # a name is not expected to be long
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_requests_that_take_long_to_parse_are_refused(kind):
    with pytest.raises(RequestError, match="fields, or more than"):
        check_fields([HOSTILE[kind].SerializeToString()], PREDICT_REQUEST)


@pytest.mark.parametrize(
    "message",
    [
        b"\x80" * 10**7,
        b"\x0b" * 10**7,
        b"\x7a\x00" * 10**6,
        b"\x12\xff\xff\xff\xff\x0f" + bytes(10**7),
    ],
    ids=["an endless number", "nested groups", "empty fields", "a length beyond the end"],
)
def test_messages_that_are_not_valid_are_counted_quickly(message):
    with pytest.raises(RequestError, match="fields, or more than"):
        check_fields([message], PREDICT_REQUEST)


def test_several_messages_count_together():
    half = predict_pb2.PredictRequest(output_filter=[""] * (MAX_FIELDS // 2 + 1))
    check_fields([half.SerializeToString()], PREDICT_REQUEST)
    with pytest.raises(RequestError, match="fields, or more than"):
        check_fields(2 * [half.SerializeToString()], PREDICT_REQUEST)


@given(st.binary(max_size=50))
def test_any_bytes_are_counted(message):
    check_fields([message], PREDICT_REQUEST)
    check_fields([message], EXAMPLE)
