"""Arrays and TensorProtos."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from serving.server.errors import RequestError
from serving.server.tensors import array_of, proto_of


def varint(number):
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def content_tensor(count, content):
    made = tf.make_tensor_proto(count * [b""], tf.string, [count])
    made.ClearField("string_val")
    made.tensor_content = content
    return made


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_strings_in_tensor_content(strings):
    content = b"".join(varint(len(string)) for string in strings) + b"".join(strings)
    made = content_tensor(len(strings), content)
    assert array_of(made, "x", 10_000).tolist() == strings


@pytest.mark.parametrize("content", [b"\x80", 9 * b"\xff", b"\x05abc", b"\x01abc"])
def test_tensor_content_that_holds_other_strings_is_refused(content):
    with pytest.raises(RequestError, match="input x: not a valid tensor: tensor_content"):
        array_of(content_tensor(1, content), "x", 10_000)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int64", "bool", "float16"])
def test_numbers_survive_the_way_there_and_back(dtype):
    array = (np.arange(70_000) % 100).reshape(2, -1).astype(dtype)
    found = array_of(proto_of(array), "x", 10**6)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_clients_that_do_not_know_tensor_content_can_read_the_numbers():
    proto = proto_of(np.array([[1.5, 2]], np.float32))
    assert list(proto.float_val) == [1.5, 2]
    assert not proto.tensor_content
