"""Shortens TensorFlow's error messages to one line."""

import re

import tensorflow as tf

from data.printable import printable

_NOISE = re.compile(r"\d+ root error|Graph execution|Detected at node|<stack traces")
_ASSERTION = re.compile(r"assertion failed: (.*)")


def tf_error_text(error: Exception) -> str:
    """Extracts the cause from a TensorFlow error.

    Args:
      error: The error, whose message may have many lines with graph nodes and several causes.

    Returns:
      The first cause on one line, or the class name of the error if the message is empty. For a
      failed assertion in the serving graph, only the text of the assertion is returned, such as
      `image_bytes[1] is not a PNG, …`.
    """
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    lines = [line.strip() for line in str(text).splitlines()]
    reasons = [line for line in lines if line and not _NOISE.match(line)]
    reason = re.split(r"\s*\[\[", reasons[0] if reasons else "")[0]
    reason = re.sub(r"^\(\d+\) [A-Z_]+: ", "", reason)
    assertion = _ASSERTION.match(reason)
    if assertion:
        reason = assertion[1].removeprefix("[").removesuffix("]").replace("] [", " ")
    return printable(reason) or type(error).__name__
