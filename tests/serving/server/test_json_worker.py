"""The process that reads and writes large JSON documents."""

import asyncio
import base64
import json
import os
import signal
import threading

import httpx
import numpy as np
import pytest

from serving.server.errors import RequestError
from serving.server.json_format import read_request, write_response
from serving.server.json_worker import JsonWorker

SIGNATURES = {"serving_default": {"x": np.dtype(np.float32)}}
LARGE = json.dumps({"inputs": [0.5] * 100_000}).encode()


def run(use):
    """Calls a coroutine function with a worker, which is closed at the end."""

    async def with_worker():
        worker = JsonWorker()
        try:
            return await use(worker)
        finally:
            await worker.close()

    return asyncio.run(with_worker())


def test_large_documents_are_read_and_written_as_small_ones():
    async def both_ways(worker):
        request = await worker.read(LARGE, SIGNATURES)
        return request, await worker.write(request.inputs, in_rows=False)

    request, response = run(both_ways)
    expected = read_request(LARGE, SIGNATURES)
    np.testing.assert_array_equal(request.inputs["x"], expected.inputs["x"])
    assert response == write_response(expected.inputs, in_rows=False)


def test_an_error_is_raised_and_the_process_stays():
    async def fail_and_read(worker):
        with pytest.raises(RequestError, match="not of expected type: float32"):
            await worker.read(LARGE.replace(b"0.5]", b'""]'), SIGNATURES)
        process = worker._process
        await worker.read(LARGE, SIGNATURES)
        assert worker._process is process

    run(fail_and_read)


def test_a_process_that_dies_is_replaced():
    """The kernel kills a process if there is too little memory."""

    async def die_and_read(worker):
        await worker.read(LARGE, SIGNATURES)
        os.kill(worker._process.pid, signal.SIGKILL)
        with pytest.raises(RequestError, match="not enough memory"):
            await worker.read(LARGE, SIGNATURES)
        await worker.read(LARGE, SIGNATURES)

    run(die_and_read)


def test_a_request_that_times_out_does_not_block_the_next():
    async def time_out_and_read(worker):
        await worker.read(LARGE, SIGNATURES)
        os.kill(worker._process.pid, signal.SIGSTOP)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(worker.read(LARGE, SIGNATURES), 0.1)
        await worker.read(LARGE, SIGNATURES)

    run(time_out_and_read)


def test_the_server_answers_while_a_large_document_is_read(
    start, push, saved_model, tmp_path, picture
):
    push(saved_model, tmp_path, 7)
    running = start(tmp_path)
    running.wait(7)
    path = f"{running.rest}/v1/models/discs:predict"
    large = {"instances": [{"b64": base64.b64encode(bytes(10**6)).decode()}]}
    small = {"instances": [{"b64": base64.b64encode(picture()).decode()}]}
    assert httpx.post(path, json=large, timeout=60).status_code == 400
    worker = running.server._json._process
    os.kill(worker.pid, signal.SIGSTOP)
    statuses = []
    waiting = threading.Thread(
        target=lambda: statuses.append(httpx.post(path, json=large, timeout=60).status_code)
    )
    waiting.start()
    try:
        assert httpx.get(f"{running.rest}/healthz").status_code == 200
        assert httpx.post(path, json=small, timeout=60).status_code == 200
        assert not statuses
    finally:
        os.kill(worker.pid, signal.SIGCONT)
        waiting.join()
    assert statuses == [400]
