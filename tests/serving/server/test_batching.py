"""Tests that concurrent requests share a batch and do not affect each other."""

import asyncio
import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.batching import Batcher
from serving.server.errors import Code, RequestError

RED, BLUE = (255, 0, 0), (0, 0, 255)


class Model:
    """Model that returns the bytes of each image, fails if an image is bad, and can be blocked."""

    def __init__(self):
        self.batches = []
        self.free = threading.Event()
        self.free.set()

    def __call__(self, images, seconds):
        self.batches.append(list(images))
        assert self.free.wait(60)
        if b"bad" in list(images):
            raise RequestError(Code.INVALID_ARGUMENT, "an image is bad")
        if b"bug" in list(images):
            raise RuntimeError("a bug")
        if seconds <= 0:
            raise RequestError(Code.DEADLINE_EXCEEDED, "too long")
        return {"echo": images, "length": np.array([len(image) for image in images])}


def run(test, model, **options):
    """Runs the coroutine of a test with a batcher."""

    async def within():
        counted = []
        limits = {"max_images": 4, "max_pixels": 100} | options
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model, executor, count=counted.append, **limits)
            await test(batcher)
        assert counted == [len(batch) for batch in model.batches]

    asyncio.run(within())


def submit(batcher, *images, pixels=1, seconds=60):
    deadline = time.monotonic() + seconds
    return asyncio.ensure_future(batcher.submit(images, pixels, deadline))


async def submit_and_wait(batcher, model):
    """Submits an image and returns when the model has started on it and is blocked."""
    model.free.clear()
    first = submit(batcher, b"0")
    while not model.batches:
        await asyncio.sleep(0.01)
    return first


async def outcome(answer):
    try:
        return list((await answer)["echo"])
    except Exception as error:
        return str(error)


def test_two_concurrent_requests_become_one_batch():
    model = Model()

    async def test(batcher):
        one, two = submit(batcher, b"1"), submit(batcher, b"2", b"33")
        assert await outcome(one) == [b"1"]
        assert (await two)["length"].tolist() == [1, 2]
        assert model.batches == [[b"1", b"2", b"33"]]

    run(test, model)


def test_what_waits_while_a_batch_runs_is_the_next():
    model = Model()

    async def test(batcher):
        first = await submit_and_wait(batcher, model)
        others = [submit(batcher, bytes([65 + i])) for i in range(6)]
        await asyncio.sleep(0.05)
        model.free.set()
        for answer in (first, *others):
            await answer
        assert [len(batch) for batch in model.batches] == [1, 4, 2]

    run(test, model)


def test_a_bad_image_hurts_only_its_own_request():
    model = Model()

    async def test(batcher):
        answers = [submit(batcher, *images) for images in ([b"1"], [b"2", b"bad"], [b"3"])]
        found = [await outcome(answer) for answer in answers]
        assert found == [[b"1"], "an image is bad", [b"3"]]
        assert model.batches[1:] == [[b"1"], [b"2", b"bad"], [b"3"]]

    run(test, model)


def test_a_bug_is_told_to_all_and_the_next_batch_runs():
    model = Model()

    async def test(batcher):
        answers = [submit(batcher, image) for image in (b"1", b"bug")]
        assert [await outcome(answer) for answer in answers] == ["a bug", "a bug"]
        assert await outcome(submit(batcher, b"2")) == [b"2"]

    run(test, model)


def test_many_images_or_pixels_are_a_batch_of_their_own():
    model = Model()

    async def test(batcher):
        answers = [
            submit(batcher, *10 * [b"many"]),
            submit(batcher, b"large", pixels=1000),
            submit(batcher, b"1", pixels=60),
            submit(batcher, b"2", pixels=60),
            submit(batcher, b"3", pixels=40),
        ]
        for answer in answers:
            await answer
        assert model.batches == [10 * [b"many"], [b"large"], [b"1"], [b"2", b"3"]]

    run(test, model)


def test_what_nobody_waits_for_is_not_run():
    model = Model()

    async def test(batcher):
        first = await submit_and_wait(batcher, model)
        given_up, kept, late = (
            submit(batcher, b"1", pixels=99),
            submit(batcher, b"2"),
            submit(batcher, b"3", pixels=100, seconds=0.01),
        )
        await asyncio.sleep(0.05)
        given_up.cancel()
        model.free.set()
        assert await outcome(first) == [b"0"]
        assert await outcome(kept) == [b"2"]
        assert await outcome(late) == "too long"
        assert model.batches == [[b"0"], [b"2"], [b"3"]]

    run(test, model)


@settings(max_examples=50)
@given(
    st.lists(
        st.lists(st.sampled_from([b"a", b"bb", b"ccc", b"bad"]), min_size=1, max_size=6),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 6),
)
def test_everybody_gets_the_answer_to_their_own_images(requests, most):
    model = Model()

    async def test(batcher):
        answers = [submit(batcher, *images) for images in requests]
        for images, answer in zip(requests, answers, strict=True):
            expected = "an image is bad" if b"bad" in images else images
            assert await outcome(answer) == expected
        longest = max(map(len, requests))
        assert all(len(batch) <= max(most, longest) for batch in model.batches)

    run(test, model, max_images=most)


@pytest.fixture(scope="module")
def server(start, push, saved_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("batching") / "discs"
    push(saved_model, folder, 7)
    running = start(folder)
    running.wait(7)
    return running


def test_of_many_clients_only_the_one_with_a_corrupt_image_is_told(server, picture):
    good, corrupt = picture(40, 40, RED, BLUE), picture(60, 60, RED, BLUE)[:-40]
    together = threading.Barrier(16)

    def one(number):
        image = corrupt if number == 5 else good
        together.wait()
        body = {"instances": [{"b64": base64.b64encode(image).decode()}]}
        return httpx.post(f"{server.rest}/v1/models/discs:predict", json=body, timeout=60)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(16)))
    assert answers[5].status_code == 400
    for answer in answers[:5] + answers[6:]:
        assert answer.json()["predictions"][0]["class_fraction"] == [0.5, 0.0, 0.5]
    page = httpx.get(f"{server.rest}/monitoring/prometheus/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[0] != "#")
    batches, images = (float(lines[f"unetfx_batch_images_{kind}"]) for kind in ("count", "sum"))
    assert batches < images
