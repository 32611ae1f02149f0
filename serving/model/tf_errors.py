"""TensorFlow's errors in one line."""

import re

import tensorflow as tf

_NOISE = re.compile(r"\d+ root error|Graph execution|Detected at node|<stack traces")
_ASSERTION = re.compile(r"assertion failed: (.*)")


def tf_error_text(error: Exception) -> str:
    """Says in one line why a model cannot be loaded or run.

    Args:
      error: TensorFlow's: of several lines, with places in the graph and several roots.

    Returns:
      The first root's own line, or the error's name if it says nothing. What the graph itself
      refuses reads as it was written: `image_bytes[1] is no PNG, …`.
    """
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    lines = [line.strip() for line in str(text).splitlines()]
    told = [line for line in lines if line and not _NOISE.match(line)]
    first = re.split(r"\s*\[\[", told[0] if told else "")[0]
    first = re.sub(r"^\(\d+\) [A-Z_]+: ", "", first)
    refused = _ASSERTION.match(first)
    if refused:
        first = refused[1].removeprefix("[").removesuffix("]").replace("] [", " ")
    return first or type(error).__name__
