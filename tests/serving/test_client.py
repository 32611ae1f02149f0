import base64
import json
import socket
import subprocess
import sys
from concurrent import futures

import grpc
import numpy as np
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

from data.errors import InputError
from serving.client import ServingClient
from serving.protocol import ServingError, VersionStatus

CLASSES = ["ocean", "land", "lake"]
# The bytes of the recorded requests; a server that was recorded does not look at them.
IMAGES = [b"\x89PNG one", b"\xff\xd8\xff two"]
MASK = (
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVQImWNk"
    "YGRkYGBgAAAAGwAEOzAfRgAAAABJRU5ErkJggg=="
)
CLASS_IDS = [[0, 1, 2], [0, 0, 0]]

ROW_REQUEST = """{
  "signature_name": "serving_default",
  "instances": [
    {"image_bytes": {"b64": "iVBORyBvbmU="}},
    {"image_bytes": {"b64": "/9j/IHR3bw=="}}
  ]
}"""
ROW_ANSWER = """{
    "predictions": [
        {
            "class_fraction": [0.666666687, 0.166666672, 0.166666672],
            "confidence": 0.75,
            "mask_png_bytes": {
                "b64": "MASK"
            }
        },
        {
            "class_fraction": [1.0, 0.0, 0.0],
            "confidence": NaN,
            "mask_png_bytes": {
                "b64": "MASK"
            }
        }
    ]
}""".replace("MASK", MASK)
COLUMN_ANSWER = """{
    "outputs": {
        "class_fraction": [
            [0.666666687, 0.166666672, 0.166666672],
            [1.0, 0.0, 0.0]
        ],
        "confidence": [0.75, NaN],
        "mask_png_bytes": [
            {
                "b64": "MASK"
            },
            {
                "b64": "MASK"
            }
        ]
    }
}""".replace("MASK", MASK)
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
# TF Serving fills in the version that answered.
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


def grpc_answer(mask=None):
    answer = text_format.Parse(GRPC_ANSWER, predict_pb2.PredictResponse())
    masks = answer.outputs["mask_png_bytes"]
    masks.dtype = 7  # DT_STRING
    masks.tensor_shape.dim.add().size = 2
    masks.string_val.extend([mask or base64.b64decode(MASK)] * 2)
    return answer


class Recorded(PredictionServiceServicer, ModelServiceServicer):
    """Fails with the given statuses, then answers what was recorded."""

    def __init__(self):
        self.failures = []
        self.answer = grpc_answer()
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
def grpc_server():
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(2), options=unlimited)
    recorded = Recorded()
    add_PredictionServiceServicer_to_server(recorded, server)
    add_ModelServiceServicer_to_server(recorded, server)
    recorded.url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield recorded
    recorded.silence.set_result(None)
    server.stop(None).wait()


def client(url, **options):
    return ServingClient(url, "sea", CLASSES, **{"first_wait": 0.001} | options)


def assert_as_recorded(predictions):
    one, two = predictions
    assert one.mask_png == base64.b64decode(MASK)
    assert one.class_ids.dtype == np.uint8
    assert one.class_ids.tolist() == CLASS_IDS
    assert one.class_fraction.dtype == np.float32
    assert one.class_fraction.tolist() == pytest.approx([4 / 6, 1 / 6, 1 / 6])
    assert one.confidence == 0.75
    assert two.class_fraction.tolist() == [1, 0, 0]
    assert np.isnan(two.confidence)


def unused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class TestRest:
    @pytest.mark.parametrize("answer", [ROW_ANSWER, COLUMN_ANSWER], ids=["rows", "columns"])
    def test_a_prediction_is_asked_for_and_understood_as_recorded(self, rest_server, answer):
        rest_server.answers = [(200, answer)]
        with client(rest_server.url) as served:
            assert_as_recorded(served.predict(IMAGES))
        assert rest_server.requests == [("POST", "/v1/models/sea:predict", json.loads(ROW_REQUEST))]

    @pytest.mark.parametrize(
        ("options", "path"),
        [
            ({"version": 12}, "/v1/models/sea/versions/12:predict"),
            ({"label": "canary"}, "/v1/models/sea/labels/canary:predict"),
        ],
        ids=["version", "label"],
    )
    def test_a_version_or_a_label_is_in_the_path(self, rest_server, options, path):
        with client(rest_server.url + "/", **options) as served:
            served.predict(IMAGES[:1])
        assert rest_server.predictions == [path]

    def test_the_status_of_the_versions(self, rest_server):
        rest_server.status = json.dumps(
            {
                "model_version_status": [
                    {"version": "8", "state": "END", "status": {"error_message": "cut short"}},
                    {"version": "7", "state": "AVAILABLE", "status": {}},
                ]
            }
        )
        with client(rest_server.url, version=8) as served:
            assert served.status() == [
                VersionStatus(8, "END", "cut short"),
                VersionStatus(7, "AVAILABLE", ""),
            ]
        assert rest_server.requests == [("GET", "/v1/models/sea/versions/8", None)]

    @pytest.mark.parametrize(
        ("options", "path"),
        [
            ({}, "/v1/models/sea/metadata"),
            ({"version": 12}, "/v1/models/sea/versions/12/metadata"),
            ({"label": "canary"}, "/v1/models/sea/labels/canary/metadata"),
        ],
        ids=["newest", "version", "label"],
    )
    def test_a_model_is_checked_by_its_metadata(self, rest_server, options, path):
        with client(rest_server.url, **options) as served:
            served.check()
        assert rest_server.requests == [("GET", path, None)]

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ('"3"', '"4"', "it has 4 classes, expected the 3 of ['ocean', 'land', 'lake']"),
            ("confidence", "scores", "it does not answer with confidence"),
            ("serving_default", "predict", "not answer with mask_png_bytes, class_fraction, conf"),
            ("signature_def", "signatures", "answers, but not as TF Serving does"),
        ],
        ids=["classes", "output", "signature", "another server"],
    )
    def test_another_model_is_told_by_its_metadata(self, rest_server, old, new, words):
        rest_server.metadata = rest_server.metadata.replace(old, new)
        with client(rest_server.url) as served, pytest.raises(ServingError) as caught:
            served.check()
        assert words in str(caught.value)

    @pytest.mark.parametrize("code", [429, 503, 504, 0], ids=str)
    def test_what_may_pass_is_tried_again(self, rest_server, code):
        rest_server.answers = [(code, '{"error": "busy"}')] * 2 + [(200, ROW_ANSWER)]
        with client(rest_server.url) as served:
            assert_as_recorded(served.predict(IMAGES))
        assert len(rest_server.requests) == 3

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            (429, grpc.StatusCode.RESOURCE_EXHAUSTED),
            (503, grpc.StatusCode.UNAVAILABLE),
            (504, grpc.StatusCode.DEADLINE_EXCEEDED),
        ],
        ids=str,
    )
    def test_it_is_tried_no_more_often_than_asked(self, rest_server, code, status):
        rest_server.answers = [(code, '{"error": "busy"}')]
        busy = pytest.raises(ServingError, match=f"HTTP {code} .*: busy")
        with client(rest_server.url, attempts=3) as served, busy as caught:
            served.predict(IMAGES)
        assert caught.value.status is status
        assert len(rest_server.requests) == 3

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            (400, grpc.StatusCode.INVALID_ARGUMENT),
            (401, grpc.StatusCode.UNAUTHENTICATED),
            (404, grpc.StatusCode.NOT_FOUND),
            (413, grpc.StatusCode.INVALID_ARGUMENT),
            (418, grpc.StatusCode.UNKNOWN),
            (500, grpc.StatusCode.INTERNAL),
        ],
        ids=str,
    )
    def test_what_will_not_pass_is_said_at_once(self, rest_server, code, status):
        rest_server.answers = [(code, '{ "error": "Could not\\n\\tparse." }')]
        with client(rest_server.url) as served, pytest.raises(ServingError) as caught:
            served.predict(IMAGES)
        message = str(caught.value)
        assert message.startswith(
            f"{rest_server.url}: HTTP {code} for /v1/models/sea:predict: Could not parse."
        )
        assert caught.value.status is status
        assert len(rest_server.requests) == 1

    def test_an_answer_that_takes_too_long(self, rest_server):
        rest_server.answers = [(1, "")]
        late = pytest.raises(ServingError, match=r"no answer within 0\.2 s")
        with client(rest_server.url, timeout=0.2, attempts=2) as served, late as caught:
            served.predict(IMAGES)
        assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED
        assert len(rest_server.requests) == 2

    def test_a_server_that_is_not_there(self):
        url = f"http://127.0.0.1:{unused_port()}"
        with client(url) as served, pytest.raises(ServingError) as caught:
            served.status()
        assert str(caught.value) == (
            f"{url}: cannot be reached (Connection refused). Check the address, and whether the "
            "server is up."
        )
        assert caught.value.status is grpc.StatusCode.UNAVAILABLE

    def test_a_host_that_is_silent_is_not_tried_again(self):
        with socket.socket() as silent, socket.socket() as one, socket.socket() as two:
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            for waiting in (one, two):  # the queue is full now: the next one hears nothing
                waiting.setblocking(False)
                waiting.connect_ex(silent.getsockname())
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with client(url, timeout=0.3) as served, pytest.raises(ServingError) as caught:
                served.status()
        assert "cannot be reached (no answer)" in str(caught.value)
        assert not caught.value.passing

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ("<html>Welcome</html>", "not as TF Serving does"),
            ("[]", "not as TF Serving does"),
            ('{"predictions": [3.5, 4.0]}', "not as TF Serving does"),
            ('{"outputs": {"mask_png_bytes": [{"b64": "x"}]}}', "not as TF Serving does"),
            (
                '{"outputs": {"scores": [1, 2]}}',
                "not answer with mask_png_bytes, class_f",
            ),
            (
                ROW_ANSWER.replace(", 0.166666672, ", ", ").replace("0.0, 0.0", "0.0"),
                "it has 2 classes, expected the 3",
            ),
            (ROW_ANSWER.replace(MASK, "aaaa"), "a mask is no PNG"),
            ('{"predictions": []}', "does not answer with"),
        ],
        ids=["html", "list", "numbers", "no base64", "other outputs", "classes", "no PNG", "none"],
    )
    def test_what_is_no_model_of_ours_is_said(self, rest_server, answer, words):
        rest_server.answers = [(200, answer)]
        with client(rest_server.url) as served, pytest.raises(ServingError) as caught:
            served.predict(IMAGES)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.status is grpc.StatusCode.FAILED_PRECONDITION
        assert len(rest_server.requests) == 1

    def test_an_answer_to_fewer_images_than_were_sent(self, rest_server):
        with (
            client(rest_server.url) as served,
            pytest.raises(ServingError, match="1 answers for 2"),
        ):
            served.predict(IMAGES)

    def test_an_error_is_one_line_of_bearable_length(self, rest_server):
        rest_server.answers = [(400, json.dumps({"error": "graph\n" * 10_000}))]
        with client(rest_server.url) as served, pytest.raises(ServingError) as caught:
            served.predict(IMAGES)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500

    def test_it_needs_no_tensorflow(self, rest_server):
        code = (
            "import sys; sys.modules['tensorflow'] = None\n"
            "from serving.client import ServingClient\n"
            f"with ServingClient('{rest_server.url}', 'sea', {CLASSES}) as client:\n"
            "    print(client.predict([b'x'])[0].class_ids.tolist())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == str(CLASS_IDS), done.stderr


class TestGrpc:
    def test_a_prediction_is_asked_for_and_understood_as_recorded(self, grpc_server):
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
    def test_a_version_or_a_label_is_in_the_request(self, grpc_server, options, recorded):
        with client(grpc_server.url, **options) as served:
            served.predict(IMAGES)
        text = f'model_spec {{ name: "sea" signature_name: "serving_default" {recorded} }}'
        expected = text_format.Parse(text, predict_pb2.PredictRequest())
        assert grpc_server.requests[0].model_spec == expected.model_spec

    def test_the_status_of_the_versions(self, grpc_server):
        with client(grpc_server.url) as served:
            assert served.status() == [
                VersionStatus(7, "AVAILABLE", ""),
                VersionStatus(8, "END", "cut short"),
            ]
        assert grpc_server.requests[0].model_spec.name == "sea"

    def test_a_model_is_checked_by_its_metadata(self, grpc_server):
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
    def test_what_may_pass_is_tried_again(self, grpc_server, status):
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
    def test_what_will_not_pass_is_said_at_once(self, grpc_server, status, details):
        grpc_server.failures = [(status, details)] * 5
        with client(grpc_server.url) as served, pytest.raises(ServingError) as caught:
            served.predict(IMAGES)
        assert caught.value.status is status
        assert details in str(caught.value)
        assert len(grpc_server.requests) == 1

    def test_messages_may_be_larger_than_grpc_allows_by_itself(self, grpc_server):
        grpc_server.answer.outputs["comment"].CopyFrom(grpc_server.answer.outputs["confidence"])
        large = grpc_server.answer.outputs["large"]
        large.dtype = 7
        large.tensor_shape.dim.add().size = 1
        large.string_val.append(bytes(5_000_000))
        with client(grpc_server.url) as served:
            assert_as_recorded(served.predict([bytes(5_000_000), b""]))

    def test_an_answer_that_takes_too_long(self, grpc_server):
        grpc_server.failures = ["silent"]
        late = pytest.raises(ServingError)
        with client(grpc_server.url, timeout=0.3, attempts=1) as served, late as caught:
            served.predict(IMAGES)
        assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED

    def test_a_server_that_is_not_there(self):
        url = f"grpc://127.0.0.1:{unused_port()}"
        with client(url, timeout=0.3) as served, pytest.raises(ServingError) as caught:
            served.status()
        assert str(caught.value).startswith(f"{url}: cannot be reached")
        assert caught.value.status is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "url", ["localhost:8501", "ftp://host", "http://", "grpc://host:port", "", "http://[::1"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InputError, match="no address of a server"):
        client(url)


def test_a_version_and_a_label_are_too_much():
    with pytest.raises(InputError, match="not both"):
        client("http://host", version=1, label="stable")
