"""TF Serving's JSON formats."""

import contextlib
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.server.errors import RequestError
from serving.server.json_format import read_request, write_error, write_response

FLOAT, UINT8, INT64 = np.dtype(np.float32), np.dtype(np.uint8), np.dtype(np.int64)
STRING = np.dtype(object)


def read(body, **types):
    return read_request(body, {"serving_default": types})


@given(
    st.sampled_from([FLOAT, UINT8, INT64]).flatmap(
        lambda dtype: arrays.arrays(
            dtype,
            arrays.array_shapes(max_dims=4, max_side=3),
            elements={"allow_nan": False} if dtype == FLOAT else None,
        )
    )
)
def test_any_tensor_survives_the_way_there_and_back(array):
    for in_rows, key in ((True, "instances"), (False, "inputs")):
        body = json.dumps({key: array.tolist()}).encode()
        request = read(body, x=array.dtype)
        assert request.in_rows is in_rows
        np.testing.assert_array_equal(request.inputs["x"], array)
        answer = json.loads(write_response({"y": array}, in_rows=in_rows))
        (values,) = answer.values()
        np.testing.assert_array_equal(np.array(values, array.dtype), array)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["instances", "inputs"]),
    st.sampled_from([{"x": FLOAT}, {"x": STRING}, {"x": UINT8, "z": STRING}]),
)
@example(value=[1e39], key="inputs", dtypes={"x": FLOAT})
@example(value=[10**400], key="inputs", dtypes={"x": FLOAT})
@example(value=["a" * 10**6, *range(10**5)], key="inputs", dtypes={"x": FLOAT})
def test_no_json_is_more_than_a_bad_request(value, key, dtypes):
    body = json.dumps({key: value}).encode()
    with contextlib.suppress(RequestError):
        request = read(body, **dtypes)
        assert set(request.inputs) == set(dtypes)


@pytest.mark.parametrize("dtype", [STRING, FLOAT])
def test_ragged_lists_cost_no_more_than_they_weigh(dtype):
    # By the first item of each level, there are 10⁹ elements.
    wide = [[["x"] * 1000] + [[]] * 999] + [[]] * 9999
    for body in (json.dumps({"inputs": wide}).encode(), json.dumps({"inputs": [1, [2]]}).encode()):
        tracemalloc.start()
        with pytest.raises(RequestError, match="lists of different lengths"):
            read(body, x=dtype)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 50 * len(body) + 2**20


@pytest.mark.parametrize("dtype", [STRING, FLOAT])
def test_many_nested_lists_are_refused(dtype):
    body = b'{"inputs": ' + 70 * b"[" + 70 * b"]" + b"}"
    with pytest.raises(RequestError, match="more than 32 nested lists"):
        read(body, x=dtype)


def test_half_a_surrogate_pair_is_a_bad_request():
    with pytest.raises(RequestError, match="element 1: not valid Unicode"):
        read(b'{"inputs": ["a", "\\ud800"]}', x=STRING)
    assert json.loads(write_error("no signature \ud800")) == {"error": "no signature ?"}


def test_several_inputs_are_named():
    two = {"a": FLOAT, "b": INT64}
    rows = b'{"instances": [{"a": 0.5, "b": 1}, {"a": 1, "b": 2}]}'
    columns = b'{"inputs": {"a": [0.5, 1], "b": [1, 2]}}'
    for body in (rows, columns):
        inputs = read(body, **two).inputs
        assert {name: array.tolist() for name, array in inputs.items()} == {
            "a": [0.5, 1.0],
            "b": [1, 2],
        }
    with pytest.raises(RequestError, match="several inputs"):
        read(b'{"instances": [1]}', **two)
    with pytest.raises(RequestError, match="several inputs"):
        read(b'{"inputs": [1]}', **two)
