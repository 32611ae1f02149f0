"""Limits how long the protocol buffers of a request take to parse, before they are parsed.

Two bytes of a message can make a sub-message with an object of its own: 60 MB of them took 3 s to
parse and 17 s to read, during which no other thread of the process could run. Protobuf has no limit
on the number of fields, so this module counts them in the encoded message
(https://protobuf.dev/programming-guides/encoding).
"""

from collections.abc import Iterable, Mapping

from serving.server.errors import Code, RequestError

MAX_FIELDS = 2**17
"""Maximum number of fields in the messages of a request."""
MAX_OTHER_BYTES = 2**20
"""Maximum size of all fields that are not expected, such as numbers that are given one by one."""
_LONGEST_VARINT = 70  # bits, in ten bytes

Fields = Mapping[int, "Fields | None"]
"""Expected fields of a message, keyed by number: the fields of a sub-message, or None for bytes."""
# TensorProto: shape (with its dimensions), tensor_content and string_val.
_TENSOR: Fields = {2: {2: {}}, 4: None, 8: None}
PREDICT_REQUEST: Fields = {1: {}, 2: {1: None, 2: _TENSOR}, 3: None}
"""Fields of a PredictRequest that may be many or large: inputs and output_filter."""
EXAMPLE: Fields = {1: {1: {1: None, 2: {1: {1: None}}}}}
"""Fields of a tf.Example that may be many or large: features with lists of bytes."""


def check_fields(messages: Iterable[bytes], expected: Fields) -> None:
    """Checks that messages can be parsed quickly.

    Args:
      messages: Encoded messages of the same type. A message that is not valid may pass; parsing it
        then fails.
      expected: Fields of the messages that may be many or large.

    Raises:
      RequestError: The messages together have more than `MAX_FIELDS` fields, or the fields that are
        not expected take more than `MAX_OTHER_BYTES`.
    """
    counter = _Counter()
    for message in messages:
        counter.count(memoryview(message), expected)


class _Counter:
    def __init__(self) -> None:
        self._fields = self._other = 0

    def count(self, message: memoryview, expected: Fields) -> None:
        position = 0
        while position < len(message):
            self._fields += 1
            tag, position = _varint(message, position)
            start = position
            match tag & 7:
                case 0:
                    _, position = _varint(message, position)
                case 1:
                    position += 8
                case 2:
                    length, start = _varint(message, position)
                    position = start + length
                case 5:
                    position += 4
            if tag & 7 != 2 or tag >> 3 not in expected:
                self._other += min(position, len(message)) - start
            elif (inner := expected[tag >> 3]) is not None:
                self.count(message[start:position], inner)
            if self._fields > MAX_FIELDS or self._other > MAX_OTHER_BYTES:
                raise RequestError(
                    Code.TOO_LARGE,
                    f"the request has more than {MAX_FIELDS} fields, or more than "
                    f"{MAX_OTHER_BYTES} bytes outside tensor_content and lists of strings",
                )


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Reads a number of a variable length; returns the number and the position behind it."""
    number = shift = 0
    while position < len(message) and shift < _LONGEST_VARINT:
        byte = message[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            break
    return number, position
