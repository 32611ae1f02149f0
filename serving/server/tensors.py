"""Tensors on the wire: TensorProto to arrays and back."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.server.errors import Code, RequestError


def array_of(tensor: Any, name: str, most_bytes: int) -> npt.NDArray[Any]:
    """Reads a TensorProto.

    Args:
      tensor: The TensorProto.
      name: Of the input, for messages.
      most_bytes: That its values may take: a single value may stand for any number of them.

    Returns:
      The array; strings as objects of type bytes.

    Raises:
      RequestError: It contradicts itself, or is too large.
    """
    try:
        dtype = tf.as_dtype(tensor.dtype)
        count = math.prod(dimension.size for dimension in tensor.tensor_shape.dim)
        size = 1 if dtype == tf.string else dtype.size
        if dtype == tf.string and count != len(tensor.string_val):
            raise ValueError(f"{len(tensor.string_val)} strings for {count} places")
        if count * size > most_bytes:
            raise RequestError(
                Code.TOO_LARGE, f"input {name}: {count * size} bytes, more than {most_bytes}"
            )
        array: npt.NDArray[Any] = tf.make_ndarray(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise RequestError(
            Code.INVALID_ARGUMENT, f"input {name}: not a valid tensor: {error}"
        ) from error
    return array


def proto_of(array: npt.NDArray[Any]) -> Any:
    """Writes an array as a TensorProto; objects of type bytes as strings."""
    return tf.make_tensor_proto(array, tf.string if array.dtype == np.dtype(object) else None)
