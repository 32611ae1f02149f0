"""Converts arrays to and from TensorProtos, and checks the inputs of requests."""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.server.errors import Code, RequestError
from serving.signature import Arrays

# Fields of a TensorProto that hold the values of each type, if `tensor_content` does not.
_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int8": "int_val",
    "int16": "int_val",
    "int32": "int_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
}
_CHUNK = 2**16  # values that are copied at once, so that other threads can run in between


def arrays_of(tensors: Mapping[str, Any], max_bytes: int) -> Arrays:
    """Converts the TensorProtos of a request to NumPy arrays. See `array_of`."""
    return {name: array_of(tensor, name, max_bytes) for name, tensor in tensors.items()}


def array_of(tensor: Any, name: str, max_bytes: int) -> npt.NDArray[Any]:
    """Converts a TensorProto to a NumPy array.

    Args:
      tensor: The TensorProto of an input.
      name: Name of the input, for error messages.
      max_bytes: Maximum size of the array in bytes. The TensorProto may be much smaller, because
        a single value can stand for any number of elements.

    Returns:
      The values of the tensor, with its shape and dtype. Strings are stored in an object array of
      bytes.

    Raises:
      RequestError: The TensorProto is inconsistent, or the array would be too large.
    """
    try:
        dtype = tf.as_dtype(tensor.dtype)
        shape = _shape(tensor)
        count = math.prod(shape)
        size = 1 if dtype == tf.string else dtype.size
        if count * size > max_bytes:
            raise RequestError(
                Code.TOO_LARGE, f"input {name}: {count * size} bytes, more than {max_bytes}"
            )
        if dtype == tf.string:
            return _strings(tensor, count).reshape(shape)
        field = _FIELDS.get(dtype.name)
        if field and not tensor.tensor_content and not getattr(tensor, field):
            return np.zeros(shape, dtype.as_numpy_dtype)  # as in TensorFlow (tensor.cc)
        array: npt.NDArray[Any] = tf.make_ndarray(tensor)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise RequestError(
            Code.INVALID_ARGUMENT, f"input {name}: not a valid tensor: {error}"
        ) from error
    return array


def proto_of(array: npt.NDArray[Any]) -> Any:
    """Converts a NumPy array to a TensorProto; an object array of bytes becomes a string tensor.

    As in TF Serving, numbers are in the field of their type, such as `float_val`, and not in
    `tensor_content`.
    """
    if array.dtype == np.dtype(object):
        return tf.make_tensor_proto(array, tf.string)
    field = _FIELDS.get(array.dtype.name)
    if field is None:
        return tf.make_tensor_proto(array)
    proto = tensor_pb2.TensorProto(
        dtype=tf.as_dtype(array.dtype).as_datatype_enum,
        tensor_shape=tf.TensorShape(array.shape).as_proto(),
    )
    values, flat = getattr(proto, field), array.ravel()
    for first in range(0, len(flat), _CHUNK):
        values.extend(flat[first : first + _CHUNK].tolist())
    return proto


def check_names(inputs: Iterable[str], signature: Any, name: str) -> None:
    """Checks that the names of the inputs of a request match the signature.

    Args:
      inputs: Names of the inputs.
      signature: The SignatureDef, which lists the expected inputs.
      name: Name of the signature, for error messages.

    Raises:
      RequestError: An input is missing or unknown.
    """
    found = sorted(inputs)
    if found != sorted(signature.inputs):
        raise RequestError(
            Code.INVALID_ARGUMENT,
            f"inputs of signature {name} should be {', '.join(sorted(signature.inputs))}; found "
            f"{', '.join(found) or 'none'}",
        )


def check_tensors(inputs: Arrays, signature: Any, name: str) -> None:
    """Checks that the inputs of a request match the inputs of the signature.

    Args:
      inputs: Input arrays, keyed by name.
      signature: The SignatureDef, which lists the expected inputs.
      name: Name of the signature, for error messages.

    Raises:
      RequestError: An input is missing or unknown, or has the wrong type or shape.
    """
    check_names(inputs, signature, name)
    for key, info in signature.inputs.items():
        shape, dtype = tf.TensorShape(info.tensor_shape), tf.as_dtype(info.dtype)
        array = inputs[key]
        expected = np.dtype(object) if dtype == tf.string else np.dtype(dtype.as_numpy_dtype)
        if array.dtype != expected or not shape.is_compatible_with(array.shape):
            array_type = "string" if array.dtype == object else array.dtype
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f"input {key} of signature {name} should be {dtype.name} {shape}, where None is "
                f"any size; found {array_type} {tf.TensorShape(array.shape)}",
            )


def _shape(tensor: Any) -> list[int]:
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("its shape is not known")
    return shape


def _strings(tensor: Any, count: int) -> npt.NDArray[Any]:
    strings = tensor.string_val
    if tensor.tensor_content:
        strings = _strings_in(tensor.tensor_content, count)
    # TensorFlow would repeat the last string, so that a small message could stand for millions of
    # images.
    if count != len(strings):
        raise ValueError(f"{len(strings)} strings for {count} elements")
    array = np.empty(count, object)
    array[:] = list(strings)
    return array


def _strings_in(content: bytes, count: int) -> list[bytes]:
    """Reads strings from `tensor_content`: all lengths, each as a varint, and then all bytes."""
    lengths: list[int] = []
    position = length = shift = 0
    while len(lengths) < count and position < len(content):
        byte = content[position]
        position += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            lengths.append(length)
            length = shift = 0
        elif shift > 28:  # a length has at most 32 bits
            raise ValueError("tensor_content has no lengths of strings")
    ends = list(itertools.accumulate(lengths, initial=position))
    if len(lengths) != count or ends[-1] != len(content):
        raise ValueError(f"tensor_content does not hold {count} strings")
    return [content[first:end] for first, end in itertools.pairwise(ends)]
