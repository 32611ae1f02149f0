"""Compressed request bodies; their statuses are in test_tf_serving.py."""

import gzip
import tracemalloc

import pytest

from serving.server.content_encoding import decode_body
from serving.server.errors import Code, RequestError


def test_a_body_may_have_exactly_the_size_of_the_limit():
    body = gzip.compress(bytes(1000))
    assert decode_body(body, "gzip", 1000) == bytes(1000)
    with pytest.raises(RequestError, match="inflated request body is larger than the 999 bytes"):
        decode_body(body, "gzip", 999)


def test_nothing_is_inflated_beyond_the_limit():
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(RequestError) as caught:
            decode_body(bomb, "gzip", 1_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code is Code.TOO_LARGE
    assert peak < 5_000_000
