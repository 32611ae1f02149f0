"""What is wrong with a request, in TF Serving's status codes."""

import enum

import grpc

_MOST_CHARACTERS = 500  # of a message: gRPC sends it in a header


class Code(enum.Enum):
    """A status: its HTTP status code, and gRPC's."""

    OK = 200, grpc.StatusCode.OK
    CANCELLED = 499, grpc.StatusCode.CANCELLED
    INVALID_ARGUMENT = 400, grpc.StatusCode.INVALID_ARGUMENT
    DEADLINE_EXCEEDED = 504, grpc.StatusCode.DEADLINE_EXCEEDED
    NOT_FOUND = 404, grpc.StatusCode.NOT_FOUND
    TOO_LARGE = 413, grpc.StatusCode.RESOURCE_EXHAUSTED
    TOO_MANY_REQUESTS = 503, grpc.StatusCode.RESOURCE_EXHAUSTED
    RESOURCE_EXHAUSTED = 429, grpc.StatusCode.RESOURCE_EXHAUSTED
    FAILED_PRECONDITION = 400, grpc.StatusCode.FAILED_PRECONDITION
    OUT_OF_RANGE = 400, grpc.StatusCode.OUT_OF_RANGE
    UNIMPLEMENTED = 501, grpc.StatusCode.UNIMPLEMENTED
    INTERNAL = 500, grpc.StatusCode.INTERNAL
    UNAVAILABLE = 503, grpc.StatusCode.UNAVAILABLE
    DATA_LOSS = 500, grpc.StatusCode.DATA_LOSS

    @property
    def http(self) -> int:
        """HTTP's status code."""
        return self.value[0]

    @property
    def status(self) -> grpc.StatusCode:
        """The status code of gRPC."""
        return self.value[1]

    @property
    def number(self) -> int:
        """The same as a number, which is TensorFlow's as well."""
        number: int = self.status.value[0]
        return number


class RequestError(Exception):
    """A request cannot be answered.

    Attributes:
      code: The status of the answer.
    """

    def __init__(self, code: Code, message: str) -> None:
        """Makes an error.

        Args:
          code: The status.
          message: What is wrong; it becomes one line, and is cut if it is very long.
        """
        line = " ".join(message.split())
        super().__init__(line if len(line) <= _MOST_CHARACTERS else line[:_MOST_CHARACTERS] + "…")
        self.code = code


def code_of(number: int) -> Code:
    """Returns the status of one of TensorFlow's error codes; what has none is an internal error."""
    return next(
        (code for code in Code if code.name == code.status.name and code.number == number),
        Code.INTERNAL,
    )
