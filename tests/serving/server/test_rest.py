"""TF Serving's REST interface, with requests and responses as in its documentation."""

import base64
import contextlib
import gc
import io
import socket

import httpx
import numpy as np
import pytest
from PIL import Image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def server(start, push, saved_model, other_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest") / "discs"
    push(other_model, folder, 3)
    push(saved_model, folder, 7)
    running = start(folder, labels={"stable": 3, "lost": 5})
    running.wait(3)
    running.wait(7)
    return running


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.rest, timeout=60) as client:
        yield client


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def ids(mask):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(mask["b64"]))))


def test_row_format(client, picture):
    images = [picture(4, 6, RED, GREEN), picture(5, 3, BLUE, kind="JPEG")]
    response = client.post("/v1/models/discs:predict", json={"instances": list(map(b64, images))})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["predictions"]
    half, whole = response.json()["predictions"]
    assert set(half) == {"mask_png_bytes", "class_fraction", "confidence", "image_statistics"}
    np.testing.assert_array_equal(ids(half["mask_png_bytes"]), 4 * [[0, 0, 0, 1, 1, 1]])
    assert half["class_fraction"] == [0.5, 0.5, 0.0]
    np.testing.assert_array_equal(ids(whole["mask_png_bytes"]), np.full((5, 3), 2))
    assert whole["class_fraction"] == [0.0, 0.0, 1.0]
    assert whole["confidence"] == pytest.approx(1, abs=1e-4)


def test_column_format(client, picture):
    images = [picture(4, 6, RED, GREEN), picture(5, 3, BLUE)]
    response = client.post("/v1/models/discs:predict", json={"inputs": list(map(b64, images))})
    assert response.status_code == 200
    outputs = response.json()["outputs"]
    assert list(response.json()) == ["outputs"]
    assert outputs["class_fraction"] == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    assert [ids(mask).shape for mask in outputs["mask_png_bytes"]] == [(4, 6), (5, 3)]
    assert len(outputs["confidence"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        '{"instances": [{"image_bytes": {"b64": "%s"}}]}',
        '{"signature_name": "serving_default", "instances": [{"b64": "%s"}]}',
        '{"inputs": {"image_bytes": [{"b64": "%s"}]}, "signature_name": "serving_default"}',
        '\n {"inputs" : [ {"b64" : "%s"} ] }',
        '{"signature_name": "", "instances": [{"b64": "%s"}]}',
    ],
)
def test_recorded_requests_mean_the_same(client, picture, body):
    content = body % base64.b64encode(picture(2, 2, GREEN)).decode()
    response = client.post("/v1/models/discs:predict", content=content)
    found = response.json()
    rows = found.get("predictions") or [
        {name: values[0] for name, values in found["outputs"].items()}
    ]
    assert rows[0]["class_fraction"] == [0.0, 1.0, 0.0]


def test_a_single_output_has_no_name(client):
    pixels = [[[[255, 0, 0], [0, 0, 255]]]]
    body = {"signature_name": "probabilities", "instances": pixels}
    (row,) = client.post("/v1/models/discs:predict", json=body).json()["predictions"]
    np.testing.assert_allclose(row, [[[1, 0, 0], [0, 0, 1]]], atol=1e-4)
    body = {"signature_name": "probabilities", "inputs": {"images": pixels}}
    outputs = client.post("/v1/models/discs:predict", json=body).json()["outputs"]
    assert outputs == [row]


def test_numbers_keep_the_digits_of_their_type(client, picture):
    response = client.post(
        "/v1/models/discs:predict", json={"instances": [b64(picture(1, 3, RED, GREEN))]}
    )
    assert '"class_fraction":[0.33333334,0.6666667,0.0]' in response.text


@pytest.mark.parametrize(
    ("path", "red_is"),
    [
        ("/v1/models/discs:predict", 0),
        ("/v1/models/discs/versions/7:predict", 0),
        ("/v1/models/discs/versions/3:predict", 1),
        ("/v1/models/discs/labels/stable:predict", 1),
    ],
)
def test_the_newest_version_answers_unless_another_is_named(client, picture, path, red_is):
    body = {"instances": [b64(picture(2, 2, RED))]}
    (row,) = client.post(path, json=body).json()["predictions"]
    assert row["class_fraction"][red_is] == 1


def test_status(client):
    one = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    expected = [{"version": "7", **one}, {"version": "3", **one}]
    assert client.get("/v1/models/discs").json() == {"model_version_status": expected}
    third = client.get("/v1/models/discs/versions/3").json()
    assert third == {"model_version_status": expected[1:]}
    labelled = client.get("/v1/models/discs/labels/stable").json()
    assert labelled == {"model_version_status": expected}  # TF Serving ignores the label


def test_metadata(client):
    found = client.get("/v1/models/discs/metadata").json()
    assert found["model_spec"] == {"name": "discs", "signature_name": "", "version": "7"}
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "probabilities", "evaluation"} <= set(signatures)
    image_bytes = signatures["serving_default"]["inputs"]["image_bytes"]
    assert image_bytes["dtype"] == "DT_STRING"
    assert image_bytes["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}],
        "unknown_rank": False,
    }
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    third = client.get("/v1/models/discs/versions/3/metadata").json()
    assert third["model_spec"]["version"] == "3"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/foo", 400, "Malformed request: GET /v1/foo"),
        ("POST", "/v1/models/discs", 400, "Malformed request: POST /v1/models/discs"),
        ("GET", "/v1/models/discs:predict", 400, "Malformed request: GET"),
        ("POST", "/v1/models/discs/versions/x:predict", 400, "Malformed request: POST"),
        ("POST", f"/v1/models/discs/versions/{2**63}:predict", 400, "Failed to convert version"),
        ("GET", f"/v1/models/discs/versions/{'9' * 5000}", 400, "Failed to convert version"),
        ("GET", "/v1/models/cells", 404, "Could not find any versions of model cells"),
        ("GET", "/v1/models/discs/versions/9", 404, "Could not find version 9 of model discs"),
        ("GET", "/v1/models/discs/versions/9/metadata", 404, "Specific(discs, 9)"),
        ("GET", "/v1/models/cells/metadata", 404, "Latest(cells)"),
        (
            "GET",
            "/v1/models/discs/labels/x/metadata",
            400,
            "Unrecognized servable version label: x",
        ),
        ("POST", "/v1/models/cells:predict", 404, "not found for request: Latest(cells)"),
        ("POST", "/v1/models/discs/versions/9:predict", 404, "Specific(discs, 9)"),
        ("POST", "/v1/models/discs/labels/x:predict", 400, "Unrecognized servable version label"),
        ("POST", "/v1/models/discs/labels/lost:predict", 404, "Specific(discs, 5)"),
        ("POST", "/v1/models/discs:classify", 400, "use predict"),
        ("GET", "/nowhere", 404, "/nowhere"),
        ("DELETE", "/v1/models/discs", 400, "Malformed request: DELETE /v1/models/discs"),
    ],
)
def test_wrong_addresses(client, method, path, status, message):
    response = client.request(method, path, content="{}" if method == "POST" else None)
    assert (response.status_code, list(response.json())) == (status, ["error"])
    assert message in response.json()["error"]


GOOD = "iVBORw0KGgo="


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("instances = [1, 2]", "JSON Parse error"),
        ("\xff", "JSON Parse error"),
        ("[" * 100_000, "JSON Parse error"),
        ("[1]", "Is not object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instances": [], "inputs": []}', "only one of"),
        ('{"instances": "a"}', "to be a list"),
        ('{"instances": []}', "No values in 'instances'"),
        ('{"instances": [1]}', "element 0: should be a string or"),
        ('{"instances": [null]}', "element 0: should be a string or"),
        ('{"instances": [{"b64": "a!"}]}', "element 0: Unable to base64 decode"),
        ('{"instances": [{"b64": 1}]}', "element 0: should be a string or"),
        ('{"instances": [{"image": {"b64": ""}}]}', "keys image_bytes"),
        ('{"instances": [{"image_bytes": "a"}, "b"]}', "element: 1"),
        ('{"instances": [["a"], ["b"]]}', "should be string (None,)"),
        ('{"instances": [["a"], "b"]}', "different lengths"),
        ('{"inputs": {"image": ["a"]}}', "Missing named input: image_bytes"),
        ('{"inputs": {"b64": "aaaa"}}', "should be string (None,)"),
        ('{"instances": ["a"], "signature_name": 1}', "'signature_name' key must be a string"),
        ('{"instances": ["a"], "signature_name": "x"}', 'name: "x" not found in signature def'),
        ('{"instances": [1], "signature_name": "__saved_model_init_op"}', "not found in signature"),
        (
            '{"instances": ["a"], "signature_name": "\\ud800"}',
            'name: "\\ud800" not found in signature',
        ),
        (
            '{"instances": [[[1]]], "signature_name": "probabilities"}',
            "uint8 (None, None, None, 3)",
        ),
        ('{"instances": [[[[1.5,1,1]]]], "signature_name": "probabilities"}', "expected type"),
        ('{"instances": [[[[256,1,1]]]], "signature_name": "probabilities"}', "0 to 255"),
        ('{"instances": [[[[-1,1,1]]]], "signature_name": "probabilities"}', "0 to 255"),
        ('{"instances": [[[["a"]]]], "signature_name": "probabilities"}', "expected type"),
        ('{"instances": [[[[1,1,1]]], [[1]]], "signature_name": "probabilities"}', "different"),
        ('{"instances": [""]}', "image 0: empty"),
        ('{"instances": ["no image"]}', "image 0: cannot be read as an image"),
        ('{"instances": ["x"], "signature_name": "evaluation"}', "example 0: not a tf.Example"),
    ],
)
def test_wrong_bodies(client, body, message):
    content = body.encode("latin1")
    response = client.post("/v1/models/discs:predict", content=content)
    assert (response.status_code, list(response.json())) == (400, ["error"])
    assert message in response.json()["error"]
    assert "\n" not in response.json()["error"]


def test_base64_may_have_line_breaks_and_lack_padding(client, picture):
    content = picture(2, 3, GREEN)
    content += bytes(-(len(content) + 2) % 3)  # bytes behind the end, so that there is padding
    lines = base64.encodebytes(content).decode()
    assert lines.endswith("=\n")
    for text in (lines, lines.replace("\n", "").rstrip("=")):
        body = {"instances": [{"b64": text}]}
        response = client.post("/v1/models/discs:predict", json=body)
        assert response.json()["predictions"][0]["class_fraction"] == [0.0, 1.0, 0.0]


def test_a_corrupt_image_gets_one_line(client, picture):
    content = picture(40, 40, RED, GREEN)
    body = {"instances": [b64(picture()), b64(content[: len(content) // 2])]}
    response = client.post("/v1/models/discs:predict", json=body)
    assert response.status_code == 400
    assert 0 < len(response.json()["error"]) < 200
    assert "{{node" not in response.json()["error"]


def test_health_and_metrics(client, picture):
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200

    def answered():
        page = client.get("/monitoring/prometheus/metrics").text
        lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[0] != "#")
        good = lines.get('unetfx_requests_total{code="OK",interface="REST"}', 0)
        return float(good), lines

    before, lines = answered()
    client.post("/v1/models/discs:predict", json={"instances": [b64(picture())]})
    after, _ = answered()
    assert after == before + 1
    assert lines['unetfx_version_available{version="7"}'] == "1.0"
    assert float(lines["process_resident_memory_bytes"]) > 1e6


def test_an_answer_s_body_does_not_wait_until_its_headers_are_confirmed(server):
    """With Nagle's algorithm the body would wait 40 ms for a delayed acknowledgement."""
    host, port = server.server.rest.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        sockets = [one for one in gc.get_objects() if isinstance(one, socket.socket)]
        [accepted] = [one for one in sockets if peer(one) == client.getsockname()]
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def peer(one):
    with contextlib.suppress(OSError):
        return one.getpeername()


def test_without_a_version_it_is_alive_and_not_ready(start, tmp_path):
    running = start(tmp_path / "discs")
    for path, status in (("healthz", 200), ("readyz", 503), ("v1/models/discs", 503)):
        assert httpx.get(f"{running.rest}/{path}").status_code == status
    response = httpx.post(f"{running.rest}/v1/models/discs:predict", json={"instances": ["a"]})
    assert response.status_code == 503  # so that clients try again
    assert response.json() == {"error": "Servable not found for request: Latest(discs)"}
