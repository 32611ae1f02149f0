"""TF Serving's gRPC interface, through the stubs that tensorflow-serving-api publishes."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.server.limits import Limits

RED, GREEN = (255, 0, 0), (0, 255, 0)
LIMITS = Limits(body=200_000)


@pytest.fixture(scope="module")
def server(start, push, saved_model, other_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grpc") / "discs"
    push(other_model, folder, 3)
    push(saved_model, folder, 7)
    running = start(folder, labels={"stable": 3}, limits=LIMITS)
    running.wait(3)
    running.wait(7)
    return running


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def predictions(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def predict_request(images, name="discs", **options):
    made = predict_pb2.PredictRequest(**options)
    made.model_spec.name = name
    made.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(images, tf.string))
    return made


def test_predict(predictions, picture):
    response = predictions.Predict(predict_request([picture(4, 6, RED, GREEN), picture(5, 3)]), 60)
    assert set(response.outputs) == {
        "mask_png_bytes",
        "class_fraction",
        "confidence",
        "image_statistics",
    }
    spec = response.model_spec
    assert (spec.name, spec.version.value) == ("discs", 7)
    assert spec.signature_name == "serving_default"
    np.testing.assert_array_equal(
        tf.make_ndarray(response.outputs["class_fraction"]), [[0.5, 0.5, 0], [1, 0, 0]]
    )
    half, whole = tf.make_ndarray(response.outputs["mask_png_bytes"])
    np.testing.assert_array_equal(
        tf.io.decode_png(half)[..., 0], np.array(4 * [[0, 0, 0, 1, 1, 1]])
    )
    assert tf.io.decode_png(whole).shape == (5, 3, 1)


def test_only_the_outputs_that_are_asked_for(predictions, picture):
    response = predictions.Predict(predict_request([picture()], output_filter=["confidence"]), 60)
    assert list(response.outputs) == ["confidence"]


def test_a_request_as_it_was_recorded(channel, picture):
    """The bytes of a request and its response, by the field numbers of the messages."""
    content = picture(1, 1, RED)
    image = b"\x08\x07\x12\x04\x12\x02\x08\x01\x42" + bytes([len(content)]) + content
    entry = b"\x0a\x0bimage_bytes\x12" + bytes([len(image)]) + image
    recorded = b"\x0a\x07\x0a\x05discs\x12" + bytes([len(entry)]) + entry
    assert len(entry) < 128
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    response = predict_pb2.PredictResponse.FromString(call(recorded, timeout=60))
    assert tf.make_ndarray(response.outputs["class_fraction"]).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize(("choice", "red_is"), [({"version": 3}, 1), ({"label": "stable"}, 1)])
def test_a_version_by_number_or_label(predictions, picture, choice, red_is):
    made = predict_request([picture()])
    if "version" in choice:
        made.model_spec.version.value = choice["version"]
    else:
        made.model_spec.version_label = choice["label"]
    response = predictions.Predict(made, 60)
    assert response.model_spec.version.value == 3
    assert tf.make_ndarray(response.outputs["class_fraction"])[0, red_is] == 1


def test_another_signature(predictions):
    made = predict_pb2.PredictRequest()
    made.model_spec.name, made.model_spec.signature_name = "discs", "probabilities"
    pixels = np.array([[[[255, 0, 0], [0, 0, 255]]]], np.uint8)
    made.inputs["images"].CopyFrom(tf.make_tensor_proto(pixels))
    (found,) = predictions.Predict(made, 60).outputs.values()
    np.testing.assert_allclose(tf.make_ndarray(found), [[[[1, 0, 0], [0, 0, 1]]]], atol=1e-4)


def test_metadata(predictions):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "discs"
    response = predictions.GetModelMetadata(request, 60)
    assert response.model_spec.version.value == 7
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["image_bytes"].dtype == 7
    request.metadata_field[:] = ["assets"]
    assert fails(predictions.GetModelMetadata, request)[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_status(models):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "discs"
    found = models.GetModelStatus(request, 60).model_version_status
    assert [(one.version, one.state, one.status.error_code) for one in found] == [
        (7, get_model_status_pb2.ModelVersionStatus.AVAILABLE, 0),
        (3, get_model_status_pb2.ModelVersionStatus.AVAILABLE, 0),
    ]
    request.model_spec.version_label = "stable"
    assert len(models.GetModelStatus(request, 60).model_version_status) == 2  # as TF Serving
    request.model_spec.version.value = 9
    assert fails(models.GetModelStatus, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find version 9 of model discs",
    )
    request.model_spec.name = "cells"
    assert fails(models.GetModelStatus, request)[0] == grpc.StatusCode.NOT_FOUND


def fails(method, request):
    with pytest.raises(grpc.RpcError) as caught:
        method(request, 60)
    return caught.value.code(), caught.value.details()


def of_tensor(**fields):
    made = predict_pb2.PredictRequest()
    made.model_spec.name = "discs"
    made.inputs["image_bytes"].MergeFrom(tf.make_tensor_proto([b"x"], tf.string))
    for name, value in fields.items():
        if name == "size":
            made.inputs["image_bytes"].tensor_shape.dim[0].size = value
        elif name == "dtype":
            made.inputs["image_bytes"].dtype = value
        else:
            made.model_spec.signature_name = value
    return made


def bomb():
    """A tensor message in which one value stands for a thousand million elements."""
    made = predict_pb2.PredictRequest()
    made.model_spec.name, made.model_spec.signature_name = "discs", "probabilities"
    made.inputs["images"].dtype = tf.uint8.as_datatype_enum
    made.inputs["images"].int_val.append(1)
    for size in (1, 20_000, 20_000, 3):
        made.inputs["images"].tensor_shape.dim.add().size = size
    return made


@pytest.mark.parametrize(
    ("wrong", "status", "message"),
    [
        (predict_request([b"x"], name="cells"), "NOT_FOUND", "Latest(cells)"),
        (predict_request([b""]), "INVALID_ARGUMENT", "image 0: empty"),
        (predict_request([b"text"]), "INVALID_ARGUMENT", "image 0: cannot be read as an image"),
        (predict_request(b"text"), "INVALID_ARGUMENT", "should be string (None,)"),
        (
            predict_request([b"x"], output_filter=["logits"]),
            "INVALID_ARGUMENT",
            "signature: logits",
        ),
        (of_tensor(signature="x"), "FAILED_PRECONDITION", '"x" not found in signature def'),
        (of_tensor(signature="probabilities"), "INVALID_ARGUMENT", "should be images"),
        (of_tensor(size=3), "INVALID_ARGUMENT", "1 strings for 3 elements"),
        (of_tensor(size=-1), "INVALID_ARGUMENT", "not a valid tensor"),
        (of_tensor(dtype=999), "INVALID_ARGUMENT", "not a valid tensor"),
        (of_tensor(dtype=1), "INVALID_ARGUMENT", "should be string (None,)"),
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (bomb(), "RESOURCE_EXHAUSTED", "1200000000 bytes, more than 200000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_requests(predictions, wrong, status, message):
    code, details = fails(predictions.Predict, wrong)
    assert code.name == status
    assert message in details


def test_a_message_that_is_too_large(predictions):
    code, _ = fails(predictions.Predict, predict_request([bytes(2 * LIMITS.body)]))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_other_methods_are_not_there(predictions):
    request = classification_pb2.ClassificationRequest()
    assert fails(predictions.Classify, request)[0] == grpc.StatusCode.UNIMPLEMENTED
