"""Writes zlib and gzip streams of stored (uncompressed) blocks, with libdeflate's checksums.

zlib can write such streams, too, but takes several times as long, mostly for the checksums.
"""

import struct
from collections.abc import Iterator
from typing import IO

import imagecodecs

_LONGEST_BLOCK = 2**16 - 1  # maximum number of bytes in a stored block (RFC 1951, 3.2.4)
_LAST_BLOCK = b"\x01\0\0\xff\xff"  # an empty block that is marked as the last one
_GZIP_HEADER = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # no name, no time, unknown system (RFC 1952)


def zlib_stored(content: bytes) -> bytes:
    """Packs the content in a zlib stream of stored blocks (RFC 1950)."""
    checksum = struct.pack(">I", imagecodecs.deflate_adler32(content))
    return b"".join([b"\x78\x01", *_blocks(content), _LAST_BLOCK, checksum])


class StoredGzip:
    """Writes a gzip file of stored blocks (RFC 1952)."""

    def __init__(self, file: IO[bytes]) -> None:
        """Writes the header of the gzip file.

        Args:
          file: A binary file that is open for writing.
        """
        self._file = file
        self._checksum = 0
        self._size = 0
        file.write(_GZIP_HEADER)

    def write(self, content: bytes) -> None:
        """Writes the content in stored blocks, after any content that was written before."""
        self._checksum = imagecodecs.deflate_crc32(content, value=self._checksum)
        self._size += len(content)
        for part in _blocks(content):
            self._file.write(part)

    def finish(self) -> None:
        """Writes the last block, the checksum and the size. The file stays open."""
        self._file.write(_LAST_BLOCK + struct.pack("<II", self._checksum, self._size % 2**32))


def _blocks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _LONGEST_BLOCK):
        block = content[start : start + _LONGEST_BLOCK]
        yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
        yield block
