"""Requests of a grammar, valid and not: the server answers each, and none is an internal error."""

import base64
import gzip
import json

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

OVERLOAD_OR_TIME = {503, 504}


@pytest.fixture(scope="module")
def server(start, push, saved_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "discs"
    push(saved_model, folder, 7)
    running = start(folder, labels={"stable": 7})
    running.wait(7)
    return running


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.rest, timeout=60) as client:
        yield client


# Texts that are JSON or nearly so, which `json.dumps` would not write.
_ODD = st.sampled_from(
    [
        "NaN",
        "-Infinity",
        "1e999",
        "-0",
        "1" * 5000,
        "0." + "1" * 5000,
        '"\\ud800"',
        '"\\u0000"',
        '{"b64":"@@"}',
        '{"b64":""}',
        '{"b64":1}',
        '{"a":1,"a":2}',
        "[" * 40 + "]" * 40,
        "[" * 2000,
        "[[],[1]]",
        "'x'",
        "\x00",
        "é",
    ]
)
_VALUES = st.recursive(
    st.one_of(
        _ODD,
        st.none().map(json.dumps),
        st.booleans().map(json.dumps),
        st.integers().map(json.dumps),
        st.floats().map(json.dumps),
        st.text(max_size=5).map(json.dumps),
        st.binary(max_size=9).map(
            lambda content: json.dumps({"b64": base64.b64encode(content).decode()})
        ),
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    ["instances", "inputs", "signature_name", "image_bytes", "images", "examples", "b64", "x", ""]
)
_SIGNATURES = st.sampled_from(
    ["serving_default", "probabilities", "evaluation", "__saved_model_init_op", "", "\ud800", "x"]
)


def _document(members):
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in members) + "}"


_BODIES = st.one_of(
    st.tuples(_SIGNATURES.map(json.dumps), st.sampled_from(["instances", "inputs"]), _VALUES).map(
        lambda parts: _document([("signature_name", parts[0]), (parts[1], parts[2])])
    ),
    st.lists(st.tuples(_KEYS, _VALUES), max_size=4).map(_document),
    _VALUES,
).map(lambda text: text.encode(errors="surrogatepass"))
_PARTS = st.sampled_from(
    "models discs discs:predict discs: :predict versions 7 007 labels stable stable:predict "
    f"7:predict metadata %00 %ff .. ٣ {'9' * 30} ".split(" ")
)
_PATHS = st.one_of(
    st.just("/v1/models/discs:predict"),
    st.lists(_PARTS, max_size=5).map(lambda parts: "/v1/" + "/".join(parts)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    method=st.sampled_from(["POST", "POST", "GET", "PUT", "DELETE", "OPTIONS"]),
    path=_PATHS,
    body=_BODIES,
    encoding=st.sampled_from([None, None, "gzip", "gzip, gzip", "br", "x"]),
    compress=st.booleans(),
)
def test_no_http_request_is_an_internal_error(client, method, path, body, encoding, compress):
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    content = gzip.compress(body) if compress else body
    response = client.request(method, path, content=content, headers=headers)
    assert response.status_code < 500 or response.status_code in OVERLOAD_OR_TIME, response.text
    if response.is_client_error:
        assert set(response.json()) == {"error"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    signature=_SIGNATURES.filter(str.isprintable),
    key=st.sampled_from(["image_bytes", "images", "examples", "x"]),
    dtype=st.integers(0, 24) | st.sampled_from([7, 4, 99, 107]),
    shape=st.lists(st.sampled_from([-1, 0, 1, 2, 3, 2**31, 2**62]), max_size=4),
    content=st.binary(max_size=20),
    strings=st.lists(st.binary(max_size=9), max_size=3),
    integers=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
    rank_is_unknown=st.booleans(),
)
def test_no_tensor_is_an_internal_error(
    server, signature, key, dtype, shape, content, strings, integers, rank_is_unknown
):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "discs"
    request.model_spec.signature_name = signature
    tensor = request.inputs[key]
    tensor.dtype, tensor.tensor_content = dtype, content
    tensor.tensor_shape.unknown_rank = rank_is_unknown
    for size in shape:
        tensor.tensor_shape.dim.add().size = size
    tensor.string_val.extend(strings)
    tensor.int_val.extend(integers)
    assert _code(server, request.SerializeToString()) in (None, *_CLIENT_ERRORS)


_CLIENT_ERRORS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def _code(server, message):
    with grpc.insecure_channel(server.grpc) as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        try:
            predict(message, 60)
        except grpc.RpcError as error:
            return error.code()
    return None
