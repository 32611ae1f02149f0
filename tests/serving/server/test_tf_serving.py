"""Answers of the local server, compared with those that TF Serving's source gives."""

import json
import socket
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format

from serving.server.limits import Limits
from tests.serving.server.tf_serving.probe import Call
from tests.serving.server.tf_serving.probes import PROBES, table

DOCS = Path(__file__).parents[3] / "docs" / "serving.md"


@pytest.fixture(scope="module")
def servers(start, push, saved_model, other_model, tmp_path_factory):
    """A server with two versions, and one that has no version yet; keyed by `is_starting`."""
    folder = tmp_path_factory.mktemp("probes")
    push(other_model, folder / "discs", 3)
    push(saved_model, folder / "discs", 7)
    running = start(folder / "discs", labels={"stable": 3}, limits=Limits(body=200_000))
    starting = start(folder / "empty")
    running.wait(3)
    running.wait(7)
    return {False: running, True: starting}


def send(running, request):
    """Sends an HTTP request, and returns its status and the answer without white space."""
    host, _, port = running.server.rest.rpartition(":")
    with socket.create_connection((host, int(port)), 60) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(2**16), b""))
    head, _, body = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    text = body.decode()
    if b"application/json" in head and text:
        document = json.loads(text)
        text = document.get("error") or json.dumps(document, separators=(",", ":"))
    return int(head.split()[1]), f"{head.decode()}\r\n\r\n{text}"


def call(running, request):
    """Makes a gRPC call, and returns the name of its status and the answer."""
    message = request.message
    with grpc.insecure_channel(running.grpc) as channel:
        method = channel.unary_unary(
            f"/tensorflow.serving.{request.method}",
            None if isinstance(message, bytes) else type(message).SerializeToString,
            request.response.FromString,
        )
        try:
            response = method(message, timeout=60, compression=request.compression)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", text_format.MessageToString(response, as_one_line=True)


@pytest.mark.parametrize("subject", PROBES)
def test_answers_are_those_of_tf_serving(servers, subject):
    wrong = []
    for probe in PROBES[subject]:
        ask = call if isinstance(probe.request, Call) else send
        status, answer = ask(servers[probe.is_starting], probe.request)
        expected = probe.answer if probe.here is None else probe.here
        if status != expected or probe.says not in answer:
            wrong.append((probe.name, expected, probe.says, status, answer[-300:]))
    assert not wrong


def test_every_difference_has_a_reason_and_no_name_is_used_twice():
    for subject, probes in PROBES.items():
        assert len({probe.name for probe in probes}) == len(probes), subject
        for probe in probes:
            assert (probe.here is None) == (not probe.why), probe.name
            assert probe.here != probe.answer, probe.name


def test_the_documentation_has_the_table():
    assert table() in DOCS.read_text()
