import pytest
import tensorflow as tf

from serving.model.tf_errors import tf_error_text

GRAPH_ERROR = """Graph execution error:

Detected at node Assert defined at (most recent call last):
<stack traces unavailable>
2 root error(s) found.
  (0) INVALID_ARGUMENT: assertion failed: [image_bytes[1]] [is damaged]
\t [[{{node Assert/AssertGuard/Assert}}]]
  (1) CANCELLED: another
"""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (tf.errors.InvalidArgumentError(None, None, GRAPH_ERROR), "image_bytes[1] is damaged"),
        (ValueError("first line\nsecond line"), "first line"),
        (KeyError(), "KeyError"),
    ],
    ids=["assertion of a graph", "several lines", "empty"],
)
def test_the_first_cause_is_one_line(error, text):
    assert tf_error_text(error) == text
