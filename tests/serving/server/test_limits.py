"""Tests of requests that exceed a limit."""

import base64
import concurrent.futures
import contextlib
import http.client
import struct
import threading
import zlib

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from data.examples.features import IMAGE
from serving.server.limits import Limits

PATH = "/v1/models/discs:predict"
FEW = Limits(body=100_000, requests=3, seconds=20)


def claims(width, height):
    """Makes a PNG of a hundred bytes whose header claims a given size."""

    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


@pytest.fixture(scope="module")
def server(start, push, limited_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits") / "discs"
    push(limited_model(10_000), folder, 7)
    running = start(folder, limits=FEW)
    running.wait(7)
    return running


def post(server, *images, **more):
    rows = [{"b64": base64.b64encode(image).decode()} for image in images]
    return httpx.post(server.rest + PATH, json={"instances": rows, **more}, timeout=60)


def test_a_hundred_megapixels_in_a_hundred_bytes(server, picture):
    response = post(server, picture(), claims(10_000, 10_000))
    assert response.status_code == 400
    assert response.json() == {
        "error": "image 1: 10000×10000 pixels, more than the 10000 that this model accepts. "
        "Scale it down."
    }


def test_an_image_may_have_all_the_pixels(server, picture):
    assert post(server, picture(100, 100)).status_code == 200
    assert post(server, picture(100, 101)).status_code == 400


def test_many_images_may_not_have_too_many_together(server, picture):
    full = picture(100, 100)
    assert post(server, *4 * [full]).status_code == 200
    response = post(server, *5 * [full])
    assert response.status_code == 400
    assert "50000 pixels in one request" in response.json()["error"]


def test_scans_are_limited(server, picture):
    content = picture(kind="JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    more = 100 - content.count(b"\xff\xda")
    assert post(server, content[:-2] + more * scan + content[-2:]).status_code == 200
    response = post(server, content[:-2] + (more + 1) * scan + content[-2:])
    assert response.status_code == 400
    assert response.json() == {"error": "image 0: a JPEG of more than 100 scans. Save it again."}


def test_an_example_may_hold_no_larger_image_either(server):
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[claims(50_000, 2_000)]))
    example = tf.train.Example(features=tf.train.Features(feature={IMAGE: feature}))
    response = post(server, example.SerializeToString(), signature_name="evaluation")
    assert response.status_code == 400
    assert "50000×2000 pixels" in response.json()["error"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_not_read(server, chunked):
    def parts():
        for _ in range(2 + FEW.body // 1000):
            yield bytes(1000)

    content = parts() if chunked else bytes(FEW.body + 1)
    response = httpx.post(server.rest + PATH, content=content, timeout=60)
    assert response.status_code == 413
    assert "100000 bytes" in response.json()["error"]


def test_too_many_at_once_are_turned_away(server, picture):
    """While the model is busy, requests use up the limit; later, requests work again."""
    with concurrent.futures.ThreadPoolExecutor(FEW.requests) as pool, _busy(server):
        waiting = [pool.submit(post, server, picture()) for _ in range(FEW.requests)]
        while server.server._predictor._running < FEW.requests:
            pass
        response = post(server, picture())
        assert response.status_code == 503
        assert "3 requests are already running" in response.json()["error"]
        with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(
                predict_pb2.PredictRequest(), 60
            )
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert {request.result().status_code for request in waiting} == {200}
    assert post(server, picture()).status_code == 200


def test_slow_bodies_keep_nobody_out(server, picture):
    with contextlib.ExitStack() as slow:
        for _ in range(2 * FEW.requests):
            slow.enter_context(_unfinished(server))
        while _running(server) < 2 * FEW.requests:
            pass
        assert post(server, picture()).status_code == 200
    while _running(server):
        pass


@contextlib.contextmanager
def _busy(server):
    """Lets the model do nothing else until the context ends."""
    ended = threading.Event()
    server.server._executor.submit(ended.wait)
    try:
        yield
    finally:
        ended.set()


@contextlib.contextmanager
def _unfinished(server):
    """Sends a request without the end of its body."""
    connection = http.client.HTTPConnection(server.rest.removeprefix("http://"))
    with contextlib.closing(connection):
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"{")
        yield


def _running(server):
    page = httpx.get(server.rest + "/monitoring/prometheus/metrics").text
    (line,) = (one for one in page.splitlines() if one.startswith("unetfx_requests_in_progress"))
    return float(line.split()[1])


@pytest.fixture(scope="module")
def hurried(start, push, sliding_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hurried") / "discs"
    push(sliding_model, folder, 8)
    running = start(folder, limits=Limits(seconds=0.2))
    running.wait(8)
    return running


def test_what_takes_too_long_is_stopped(hurried, picture):
    """The image needs thousands of windows; none is computed after the response."""
    response = post(hurried, picture(2000, 2000))
    assert response.status_code == 504
    assert response.json() == {"error": "the request timed out"}
    while post(hurried, picture()).status_code == 504:
        pass  # a run ends at its next window


def test_a_client_of_grpc_may_have_less_time(server, hurried, picture):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "discs"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([picture(2000, 2000)], tf.string))
    with grpc.insecure_channel(hurried.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for seconds in (0.05, 60):
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(request, seconds)
            assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_client_that_goes_away_leaves_a_place(server, picture):
    for _ in range(2 * FEW.requests):
        with _unfinished(server):
            pass
    while _running(server):
        pass
    assert post(server, picture()).status_code == 200


def test_places_suffice_for_as_many_as_are_allowed(server, picture):
    together = threading.Barrier(FEW.requests)

    def one(_):
        together.wait()
        return post(server, picture()).status_code

    with concurrent.futures.ThreadPoolExecutor(FEW.requests) as pool:
        assert set(pool.map(one, range(FEW.requests))) == {200}
