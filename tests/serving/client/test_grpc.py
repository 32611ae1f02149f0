"""Tests of the client with recorded requests and responses of TF Serving's gRPC interface."""

import base64
from concurrent import futures

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.model_service_pb2_grpc import (
    ModelServiceServicer,
    add_ModelServiceServicer_to_server,
)
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)

from serving.client.protocol import ServingError, VersionStatus

# The bytes in the recorded requests; the fake server does not decode them.
IMAGES = [b"\x89PNG one", b"\xff\xd8\xff two"]
GRPC_REQUEST = r"""
model_spec { name: "sea" signature_name: "serving_default" }
inputs {
  key: "image_bytes"
  value {
    dtype: DT_STRING
    tensor_shape { dim { size: 2 } }
    string_val: "\211PNG one"
    string_val: "\377\330\377 two"
  }
}
"""
# TF Serving fills in the version that it used.
GRPC_ANSWER = """
model_spec { name: "sea" version { value: 7 } signature_name: "serving_default" }
outputs {
  key: "class_fraction"
  value {
    dtype: DT_FLOAT
    tensor_shape { dim { size: 2 } dim { size: 3 } }
    float_val: 0.666666687
    float_val: 0.166666672
    float_val: 0.166666672
    float_val: 1
    float_val: 0
    float_val: 0
  }
}
outputs {
  key: "confidence"
  value { dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: 0.75 float_val: nan }
}
"""
GRPC_SIGNATURES = """
signature_def {
  key: "serving_default"
  value {
    outputs {
      key: "class_fraction"
      value { tensor_shape { dim { size: -1 } dim { size: 3 } } }
    }
    outputs { key: "confidence" value { tensor_shape { dim { size: -1 } } } }
    outputs { key: "mask_png_bytes" value { tensor_shape { dim { size: -1 } } } }
  }
}
"""


def grpc_answer(mask):
    answer = text_format.Parse(GRPC_ANSWER, predict_pb2.PredictResponse())
    masks = answer.outputs["mask_png_bytes"]
    masks.dtype = 7  # DT_STRING
    masks.tensor_shape.dim.add().size = 2
    masks.string_val.extend([mask] * 2)
    return answer


class Recorded(PredictionServiceServicer, ModelServiceServicer):
    """Fails with the given statuses, then sends the recorded response."""

    def __init__(self, mask):
        self.failures = []
        self.answer = grpc_answer(mask)
        self.requests = []
        self.silence = futures.Future()

    def Predict(self, request, context):  # noqa: N802
        self.requests.append(request)
        if self.failures:
            failure = self.failures.pop(0)
            if failure == "silent":
                self.silence.result()
            context.abort(*failure)
        return self.answer

    def GetModelMetadata(self, request, context):  # noqa: N802
        self.requests.append(request)
        signatures = text_format.Parse(GRPC_SIGNATURES, get_model_metadata_pb2.SignatureDefMap())
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(signatures)
        return answer

    def GetModelStatus(self, request, context):  # noqa: N802
        self.requests.append(request)
        return text_format.Parse(
            "model_version_status { version: 7 state: AVAILABLE status { } }"
            "model_version_status { version: 8 state: END status { error_code: DATA_LOSS "
            'error_message: "cut short" } }',
            get_model_status_pb2.GetModelStatusResponse(),
        )


@pytest.fixture
def grpc_server(recorded_mask):
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(2), options=unlimited)
    recorded = Recorded(base64.b64decode(recorded_mask))
    add_PredictionServiceServicer_to_server(recorded, server)
    add_ModelServiceServicer_to_server(recorded, server)
    recorded.url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield recorded
    recorded.silence.set_result(None)
    server.stop(None).wait()


def test_a_prediction_is_asked_for_and_understood_as_recorded(
    client, assert_as_recorded, grpc_server
):
    with client(grpc_server.url) as served:
        assert_as_recorded(served.predict(IMAGES))
    expected = text_format.Parse(GRPC_REQUEST, predict_pb2.PredictRequest())
    assert grpc_server.requests == [expected]


@pytest.mark.parametrize(
    ("options", "recorded"),
    [
        ({"version": 12}, "version { value: 12 }"),
        ({"label": "canary"}, 'version_label: "canary"'),
    ],
    ids=["version", "label"],
)
def test_a_version_or_a_label_is_in_the_request(client, grpc_server, options, recorded):
    with client(grpc_server.url, **options) as served:
        served.predict(IMAGES)
    text = f'model_spec {{ name: "sea" signature_name: "serving_default" {recorded} }}'
    expected = text_format.Parse(text, predict_pb2.PredictRequest())
    assert grpc_server.requests[0].model_spec == expected.model_spec


def test_the_status_of_the_versions(client, grpc_server):
    with client(grpc_server.url) as served:
        assert served.status() == [
            VersionStatus(7, "AVAILABLE", ""),
            VersionStatus(8, "END", "cut short"),
        ]
    assert grpc_server.requests[0].model_spec.name == "sea"


def test_a_model_is_checked_by_its_metadata(client, grpc_server):
    with client(grpc_server.url, label="canary") as served:
        served.check()
        served.classes = ["sea"]
        with pytest.raises(ServingError, match="it has 3 classes, expected the 1"):
            served.check()
    expected = text_format.Parse(
        'model_spec { name: "sea" version_label: "canary" } metadata_field: "signature_def"',
        get_model_metadata_pb2.GetModelMetadataRequest(),
    )
    assert grpc_server.requests[0] == expected


@pytest.mark.parametrize(
    "status",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ],
    ids=lambda status: status.name,
)
def test_what_may_pass_is_tried_again(client, assert_as_recorded, grpc_server, status):
    grpc_server.failures = [(status, "busy")] * 2
    with client(grpc_server.url) as served:
        assert_as_recorded(served.predict(IMAGES))
    assert len(grpc_server.requests) == 3
    grpc_server.failures = [(status, "busy")] * 3
    with client(grpc_server.url, attempts=2) as served, pytest.raises(ServingError) as caught:
        served.predict(IMAGES)
    assert caught.value.status is status
    assert f"{grpc_server.url}: {status.name} for the model sea: busy. " in str(caught.value)
    assert len(grpc_server.requests) == 5


@pytest.mark.parametrize(
    ("status", "details"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "Expected image"),
        (grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(sea)"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)"),
    ],
    ids=["bad image", "no model", "too large"],
)
def test_what_will_not_pass_is_said_at_once(client, grpc_server, status, details):
    grpc_server.failures = [(status, details)] * 5
    with client(grpc_server.url) as served, pytest.raises(ServingError) as caught:
        served.predict(IMAGES)
    assert caught.value.status is status
    assert details in str(caught.value)
    assert len(grpc_server.requests) == 1


def test_messages_may_be_larger_than_grpc_allows_by_itself(client, assert_as_recorded, grpc_server):
    grpc_server.answer.outputs["comment"].CopyFrom(grpc_server.answer.outputs["confidence"])
    large = grpc_server.answer.outputs["large"]
    large.dtype = 7
    large.tensor_shape.dim.add().size = 1
    large.string_val.append(bytes(5_000_000))
    with client(grpc_server.url) as served:
        assert_as_recorded(served.predict([bytes(5_000_000), b""]))


def test_an_answer_that_takes_too_long(client, grpc_server):
    grpc_server.failures = ["silent"]
    late = pytest.raises(ServingError)
    with client(grpc_server.url, timeout=0.3, attempts=1) as served, late as caught:
        served.predict(IMAGES)
    assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_server_that_is_not_there(client, unused_port):
    url = f"grpc://127.0.0.1:{unused_port()}"
    with client(url, timeout=0.3) as served, pytest.raises(ServingError) as caught:
        served.status()
    assert str(caught.value).startswith(f"{url}: cannot be reached")
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE
