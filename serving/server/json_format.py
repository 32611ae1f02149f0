"""Reads and writes TF Serving's JSON formats (https://www.tensorflow.org/tfx/serving/api_rest).

In the row format, a request has the key `instances`, with one list item per image, and the response
has the key `predictions`. In the column format, a request has the key `inputs`, with one list per
input, and the response has the key `outputs`. Binary values are written as `{"b64": "…"}` objects.
"""

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from serving.server.errors import Code, RequestError, unknown_signature
from serving.signature import SIGNATURE, Arrays

MAX_VALUES = 2**23
"""Maximum number of values in a request. Python needs up to a hundred bytes for each of them."""

_BYTES = "_bytes"  # TF Serving encodes outputs whose names end in this suffix as Base64
_BASE64 = "b64"
_MOST_DIMENSIONS = 32


InputTypes = Mapping[str, Mapping[str, np.dtype[Any]]]
"""Types of the inputs of each signature, keyed by signature and input name; strings are objects."""


class PredictRequest(NamedTuple):
    """The parsed body of a prediction request.

    Attributes:
      signature_name: Name of the signature.
      inputs: Input arrays, keyed by input name.
      in_rows: Whether the request is in the row format. The response has the same format as the
        request.
    """

    signature_name: str
    inputs: Arrays
    in_rows: bool


def read_request(body: bytes, signatures: InputTypes) -> PredictRequest:
    """Parses the body of a `:predict` request.

    Args:
      body: Request body, as JSON.
      signatures: Types of the inputs of each signature of the model.

    Returns:
      The signature name, the input arrays, and the format of the request.

    Raises:
      RequestError: The body is not valid JSON, contains more than `MAX_VALUES` values, is in
        neither of the two formats, names an unknown signature, or contains an invalid input value.
    """
    document = _parse(body)
    name = document.get("signature_name", SIGNATURE)
    if not isinstance(name, str):
        raise _invalid("'signature_name' key must be a string value.")
    name = name or SIGNATURE
    if name not in signatures:
        raise unknown_signature(name, signatures)
    types = signatures[name]
    if "instances" in document and "inputs" in document:
        raise _invalid("expecting only one of 'inputs' or 'instances' keys to exist")
    if "instances" in document:
        columns, in_rows = _columns(document["instances"], sorted(types)), True
    elif "inputs" in document:
        columns, in_rows = _inputs_by_name(document["inputs"], sorted(types)), False
    else:
        raise _invalid("Missing 'inputs' or 'instances' key")
    inputs = {key: _array(key, column, types[key]) for key, column in columns.items()}
    return PredictRequest(name, inputs, in_rows)


def write_response(outputs: Arrays, *, in_rows: bool) -> bytes:
    """Builds the body of the response to a `:predict` request.

    Args:
      outputs: Output arrays, keyed by name. In the row format, the first dimension is the batch
        dimension, with one entry per instance.
      in_rows: Whether to use the row format.

    Returns:
      The body, as JSON.

    Raises:
      RequestError: `in_rows` is true, but the first dimensions of the outputs differ in size.
    """
    values = {name: _value(name, array) for name, array in sorted(outputs.items())}
    if not in_rows:
        (only, *others) = values.values()
        return _dump({"outputs": values if others else only})
    if len({array.shape[:1] for array in outputs.values()}) > 1:
        raise _invalid(
            "the outputs have different batch sizes; send the request in the column format "
            "('inputs')"
        )
    rows = zip(*values.values(), strict=True)
    if len(values) == 1:
        return _dump({"predictions": [value for (value,) in rows]})
    return _dump({"predictions": [dict(zip(values, row, strict=True)) for row in rows]})


def write_error(message: str) -> bytes:
    """Builds the JSON body of an error response."""
    return _dump({"error": message})


def _parse(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise _invalid("JSON Parse error: The document is empty")
    # Each value but the first follows one of these characters.
    if sum(map(body.count, (b",", b":", b"[", b"{"))) > MAX_VALUES:
        raise RequestError(
            Code.TOO_LARGE,
            f"the request contains more than {MAX_VALUES} JSON values; send encoded images, or use "
            "gRPC",
        )
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_first_of_each_key)
    except RecursionError as error:
        raise _invalid("JSON Parse error: nested too deeply") from error
    except ValueError as error:  # the body is not valid JSON or not valid UTF-8
        raise _invalid(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise _invalid("JSON Value: Is not object")
    return document


def _first_of_each_key(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Makes a JSON object. As in TF Serving, the first value of a repeated key counts."""
    return dict(reversed(pairs))


def _columns(instances: object, names: Sequence[str]) -> dict[str, Any]:
    """Converts the instances in the row format to columns: one list per input."""
    if not isinstance(instances, list):
        raise _invalid("Expecting 'instances' to be a list/array")
    if not instances:
        raise _invalid("No values in 'instances' array")
    if not _is_object(instances[0]):
        if len(names) != 1:
            raise _invalid(
                "instances is a plain list, but expecting list of objects as there are several "
                f"inputs: {', '.join(names)}"
            )
        return {names[0]: instances}
    for position, instance in enumerate(instances):
        if not _is_object(instance) or sorted(instance) != list(names):
            raise _invalid(
                f"Failed to process element: {position} of 'instances' list. It should be an "
                f"object with the keys {', '.join(names)}"
            )
    return {name: [instance[name] for instance in instances] for name in names}


def _inputs_by_name(inputs: object, names: Sequence[str]) -> dict[str, Any]:
    if not _is_object(inputs):
        if len(names) != 1:
            raise _invalid(
                "inputs is a plain value/list, but expecting an object as there are several "
                f"inputs: {', '.join(names)}"
            )
        return {names[0]: inputs}
    assert isinstance(inputs, Mapping)  # noqa: S101, for the type checker
    missing = [name for name in names if name not in inputs]
    if missing:
        raise _invalid(f"Missing named input: {missing[0]} in 'inputs' object.")
    return {name: inputs[name] for name in names}


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and set(value) != {_BASE64}


def _array(name: str, value: object, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Converts nested lists to an array of the type `dtype`."""
    shape, items = _flatten(name, value)
    if dtype == np.dtype(object):
        return _strings(name, items, shape)
    fits: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}}
    if not {type(item) for item in items} <= fits.get(dtype.kind, {int, float}):
        raise _invalid(f"input {name}: a JSON value is not of expected type: {dtype.name}")
    if dtype.kind in "ui" and items:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if min(items) < low or max(items) > high:
            raise _invalid(
                f"input {name}: a value is outside the range of {dtype.name}, {low} to {high}"
            )
    try:
        with np.errstate(over="raise"):
            return np.array(items, dtype).reshape(shape)
    except (FloatingPointError, OverflowError) as error:
        raise _invalid(f"input {name}: a value is too large for {dtype.name}") from error


def _flatten(name: str, value: object) -> tuple[list[int], list[Any]]:
    """Returns the shape of nested lists, and their items.

    Nothing larger than the lists themselves is allocated: the shape is not taken from the first
    item of each level, as the product of these lengths could be any number.
    """
    shape: list[int] = []
    level: list[Any] = [value]
    while level and any(isinstance(item, list) for item in level):
        lengths = {len(item) if isinstance(item, list) else None for item in level}
        if len(lengths) > 1:
            raise _invalid(f"input {name}: lists of different lengths")
        shape.append(len(level[0]))
        if len(shape) > _MOST_DIMENSIONS:
            raise _invalid(f"input {name}: more than {_MOST_DIMENSIONS} nested lists")
        level = list(itertools.chain.from_iterable(level))
    return shape, level


def _strings(name: str, items: Sequence[object], shape: Sequence[int]) -> npt.NDArray[Any]:
    array = np.empty(len(items), object)
    for number, item in enumerate(items):
        array[number] = _string(name, item, number)
    return array.reshape(shape)


def _string(name: str, value: object, number: int) -> bytes:
    where = f"input {name}, element {number}"
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise _invalid(f"{where}: not valid Unicode") from error
    if not (
        isinstance(value, dict) and set(value) == {_BASE64} and isinstance(value[_BASE64], str)
    ):
        raise _invalid(f'{where}: should be a string or {{"b64": "…"}}')
    try:
        return _decode_base64(value[_BASE64])
    except ValueError as error:
        raise _invalid(f"{where}: Unable to base64 decode") from error


def _decode_base64(text: str) -> bytes:
    """Decodes Base64 as TF Serving does (`Base64Unescape` in Abseil's `escaping.cc`).

    White space is skipped. The padding at the end may be missing, and may consist of full stops.

    Raises:
      ValueError: The text is not Base64.
    """
    padded = b"".join(text.encode("ascii").split())
    content = padded.rstrip(b"=.")
    missing = -len(content) % 4
    if len(padded) - len(content) not in (0, missing):
        raise ValueError("wrong padding")
    return base64.b64decode(content + missing * b"=", validate=True)


def _value(name: str, array: npt.NDArray[Any]) -> Any:
    """Converts an array to nested lists of JSON values."""
    if array.dtype == np.dtype(object):
        as_bytes = name.endswith(_BYTES)
        written = np.empty(array.shape, object)
        for place, item in np.ndenumerate(array):
            written[place] = (
                {_BASE64: base64.b64encode(item).decode()} if as_bytes else item.decode()
            )
        return written.tolist()
    if array.dtype == np.float32:
        # float32 values are converted via text, so that 0.1 is not written as 0.10000000149011612.
        array = array.astype(str).astype(np.float64)
    return array.tolist()


def _dump(document: Mapping[str, Any]) -> bytes:
    # A message may quote a request with half of a surrogate pair, which UTF-8 cannot encode.
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")


def _invalid(message: str) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, message)
