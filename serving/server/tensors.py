"""Converts arrays to and from TensorProtos, and checks the inputs of requests."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.server.errors import Code, RequestError
from serving.signature import Arrays


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
        count = math.prod(dimension.size for dimension in tensor.tensor_shape.dim)
        size = 1 if dtype == tf.string else dtype.size
        if dtype == tf.string and count != len(tensor.string_val):
            raise ValueError(f"{len(tensor.string_val)} strings for {count} elements")
        if count * size > max_bytes:
            raise RequestError(
                Code.TOO_LARGE, f"input {name}: {count * size} bytes, more than {max_bytes}"
            )
        array: npt.NDArray[Any] = tf.make_ndarray(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise RequestError(
            Code.INVALID_ARGUMENT, f"input {name}: not a valid tensor: {error}"
        ) from error
    return array


def proto_of(array: npt.NDArray[Any]) -> Any:
    """Converts a NumPy array to a TensorProto; an object array of bytes becomes a string tensor."""
    return tf.make_tensor_proto(array, tf.string if array.dtype == np.dtype(object) else None)


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
