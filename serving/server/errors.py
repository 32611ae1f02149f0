"""Errors that are returned to clients, with the same status codes as in TF Serving."""

import enum
from collections.abc import Iterable

import grpc

from data.errors import one_line

_LONGEST = 500  # maximum length of a message in characters; gRPC limits the size of headers


class Code(enum.Enum):
    """Status of a response: its HTTP status code and its gRPC status code."""

    OK = 200, grpc.StatusCode.OK
    CANCELLED = 499, grpc.StatusCode.CANCELLED
    INVALID_ARGUMENT = 400, grpc.StatusCode.INVALID_ARGUMENT
    DEADLINE_EXCEEDED = 504, grpc.StatusCode.DEADLINE_EXCEEDED
    PERMISSION_DENIED = 403, grpc.StatusCode.PERMISSION_DENIED
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
        """The HTTP status code of the response."""
        return self.value[0]

    @property
    def status(self) -> grpc.StatusCode:
        """The gRPC status code of the response."""
        return self.value[1]

    @property
    def number(self) -> int:
        """The numeric gRPC status code. TensorFlow's error codes have the same values."""
        number: int = self.status.value[0]
        return number


class RequestError(Exception):
    """A request failed, and the client receives an error response.

    Attributes:
      code: Status of the error response.
    """

    def __init__(self, code: Code, message: str) -> None:
        """Creates the error for a failed request.

        Args:
          code: Status of the error response.
          message: Description of the problem; converted to one line and truncated after 500
            characters.
        """
        line = one_line(message, _LONGEST + 1)
        super().__init__(line if len(line) <= _LONGEST else line[:_LONGEST] + "…")
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.code, str(self))


def timed_out() -> RequestError:
    """Returns the error for a request that timed out."""
    return RequestError(Code.DEADLINE_EXCEEDED, "the request timed out")


def unknown_signature(name: str, signatures: Iterable[str]) -> RequestError:
    """Returns the error for a request that names a signature that the model does not have.

    Args:
      name: Name of the signature in the request.
      signatures: Names of the model's signatures.
    """
    return RequestError(
        Code.FAILED_PRECONDITION,
        f'Serving signature name: "{name}" not found in signature def; available: '
        f"{', '.join(sorted(signatures))}",
    )


def code_of(number: int) -> Code:
    """Returns the status for a TensorFlow error code, or INTERNAL if the code is unknown."""
    return next(
        (code for code in Code if code.name == code.status.name and code.number == number),
        Code.INTERNAL,
    )
