"""Tests of the client with recorded requests and responses of TF Serving's REST interface."""

import json
import socket

import grpc
import pytest

from serving.client.protocol import ServingError, VersionStatus

# The bytes in the recorded requests; the fake server does not decode them.
IMAGES = [b"\x89PNG one", b"\xff\xd8\xff two"]
MASK = (
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVQImWNk"
    "YGRkYGBgAAAAGwAEOzAfRgAAAABJRU5ErkJggg=="
)
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


@pytest.mark.parametrize("answer", [ROW_ANSWER, COLUMN_ANSWER], ids=["rows", "columns"])
def test_a_prediction_is_asked_for_and_understood_as_recorded(
    client, assert_as_recorded, rest_server, answer
):
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
def test_a_version_or_a_label_is_in_the_path(client, rest_server, options, path):
    with client(rest_server.url + "/", **options) as served:
        served.predict(IMAGES[:1])
    assert rest_server.predictions == [path]


def test_the_status_of_the_versions(client, rest_server):
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
def test_a_model_is_checked_by_its_metadata(client, rest_server, options, path):
    with client(rest_server.url, **options) as served:
        served.check()
    assert rest_server.requests == [("GET", path, None)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"3"', '"4"', "it has 4 classes, expected the 3 of ocean, land, lake"),
        ("confidence", "scores", "it has no output confidence"),
        ("serving_default", "predict", "it has no output mask_png_bytes, class_fraction, conf"),
        ("signature_def", "signatures", "the response is not TF Serving's"),
    ],
    ids=["classes", "output", "signature", "another server"],
)
def test_another_model_is_told_by_its_metadata(client, rest_server, old, new, words):
    rest_server.metadata = rest_server.metadata.replace(old, new)
    with client(rest_server.url) as served, pytest.raises(ServingError) as caught:
        served.check()
    assert words in str(caught.value)


@pytest.mark.parametrize("code", [429, 503, 504, 0], ids=str)
def test_what_may_pass_is_tried_again(client, assert_as_recorded, rest_server, code):
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
def test_it_is_tried_no_more_often_than_asked(client, rest_server, code, status):
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
def test_what_will_not_pass_is_said_at_once(client, rest_server, code, status):
    rest_server.answers = [(code, '{ "error": "Could not\\n\\tparse." }')]
    with client(rest_server.url) as served, pytest.raises(ServingError) as caught:
        served.predict(IMAGES)
    message = str(caught.value)
    assert message.startswith(
        f"{rest_server.url}: HTTP {code} for /v1/models/sea:predict: Could not parse."
    )
    assert caught.value.status is status
    assert len(rest_server.requests) == 1


def test_an_answer_that_takes_too_long(client, rest_server):
    rest_server.answers = [(1, "")]
    late = pytest.raises(ServingError, match=r"no response within 0\.2 s")
    with client(rest_server.url, timeout=0.2, attempts=2) as served, late as caught:
        served.predict(IMAGES)
    assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(rest_server.requests) == 2


def test_a_server_that_is_not_there(client, unused_port):
    url = f"http://127.0.0.1:{unused_port()}"
    with client(url) as served, pytest.raises(ServingError) as caught:
        served.status()
    assert str(caught.value) == (
        f"{url}: cannot be reached (Connection refused). Check the address, and whether the "
        "server is running."
    )
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE


def test_a_host_that_is_silent_is_not_tried_again(client):
    with socket.socket() as silent, socket.socket() as one, socket.socket() as two:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for waiting in (
            one,
            two,
        ):  # now the queue is full, and the next connection gets no response
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with client(url, timeout=0.3) as served, pytest.raises(ServingError) as caught:
            served.status()
    assert "cannot be reached (no response)" in str(caught.value)
    assert not caught.value.passing


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("<html>Welcome</html>", "the response is not TF Serving's"),
        ("[]", "the response is not TF Serving's"),
        ('{"predictions": [3.5, 4.0]}', "the response is not TF Serving's"),
        ('{"outputs": {"mask_png_bytes": [{"b64": "x"}]}}', "the response is not TF Serving's"),
        (
            '{"outputs": {"scores": [1, 2]}}',
            "it has no output mask_png_bytes, class_f",
        ),
        (
            ROW_ANSWER.replace(", 0.166666672, ", ", ").replace("0.0, 0.0", "0.0"),
            "it has 2 classes, expected the 3",
        ),
        (ROW_ANSWER.replace(MASK, "aaaa"), "a mask is not a PNG"),
        ('{"predictions": []}', "it has no output"),
    ],
    ids=["html", "list", "numbers", "no base64", "other outputs", "classes", "no PNG", "none"],
)
def test_what_is_no_model_of_ours_is_said(client, rest_server, answer, words):
    rest_server.answers = [(200, answer)]
    with client(rest_server.url) as served, pytest.raises(ServingError) as caught:
        served.predict(IMAGES)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.status is grpc.StatusCode.FAILED_PRECONDITION
    assert len(rest_server.requests) == 1
