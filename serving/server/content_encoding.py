"""Inflates request bodies that are compressed with gzip."""

import zlib

from serving.server.errors import Code, RequestError

_GZIP_FORMAT = 16 + zlib.MAX_WBITS  # value of `wbits` for data with a gzip header


def decode_body(body: bytes, encoding: str, limit: int) -> bytes:
    """Returns the content of a request body.

    As in TF Serving (`evhttp_request.cc`), the body is inflated if the header names gzip, and is
    taken as it is in all other cases.

    Args:
      body: Request body.
      encoding: Value of the header Content-Encoding; empty if there is none.
      limit: Maximum size of the content in bytes. Nothing is inflated beyond it.

    Raises:
      RequestError: The content is larger than `limit`, or the body is not valid gzip.
    """
    if "gzip" not in encoding:
        return body
    inflater = zlib.decompressobj(_GZIP_FORMAT)
    try:
        content = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise _not_gzip(str(error)) from error
    if len(content) > limit:
        raise RequestError(
            Code.TOO_LARGE,
            f"the inflated request body is larger than the {limit} bytes that are allowed",
        )
    if not inflater.eof:
        raise _not_gzip("it is cut short")
    if inflater.unused_data:
        raise _not_gzip("there are bytes behind its end")
    return content


def _not_gzip(reason: str) -> RequestError:
    return RequestError(
        Code.INVALID_ARGUMENT,
        f"Content-Encoding is gzip, but the request body is not valid gzip: {reason}",
    )
