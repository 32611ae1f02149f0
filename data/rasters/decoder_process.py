"""The process that decodes image files for another process, within limits.

Python cannot interrupt a decoder that is written in C. The kernel therefore ends this process if a
file takes too much processor time. `data.rasters.decoder` starts the process.
"""

import math
import mmap
import os
import resource
import sys
import time
from multiprocessing.connection import Connection

import numpy as np

from data.errors import PairError
from data.rasters.formats import decode
from data.rasters.raster import Raster, RasterFile, Samples

# The slowest decoder, JPEG 2000 within TIFF, takes up to 0.1 µs for each byte of the file. No
# decoder takes more than 0.1 µs for each pixel of an empty image, unless its tiles are tiny.
_SECONDS, _SECONDS_PER_PIXEL, _SECONDS_PER_BYTE = 10, 0.3e-6, 1e-6
# Several copies of at most four samples of 16 bits are in memory at the same time.
_BYTES, _BYTES_PER_PIXEL = 2**30, 64
_NO_SAMPLES = np.empty((0, 0, 0), np.uint8)


Decoded = tuple[Raster, tuple[int, ...], str]
"""A raster without its samples, which are in the shared memory, and their shape and dtype."""


class SharedBytes:
    """Memory that two processes share. Large samples pass through it faster than through a pipe.

    Attributes:
      descriptor: File descriptor of a file in memory.
    """

    def __init__(self, descriptor: int) -> None:
        """Shares the content of a file in memory that both processes have opened."""
        self.descriptor = descriptor
        self._map: mmap.mmap | None = None

    @property
    def size(self) -> int:
        """Number of bytes."""
        return os.fstat(self.descriptor).st_size

    def first(self, size: int) -> memoryview:
        """Returns the first bytes, which are valid until a process changes the size."""
        if self.size < size:
            self.resize(size)
        if self._map is None or len(self._map) != self.size:
            self._map = mmap.mmap(self.descriptor, self.size)
        return memoryview(self._map)[:size]

    def samples(self, shape: tuple[int, ...], dtype: str) -> Samples:
        """Returns the first bytes as an array, which is valid until a process changes the size."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        return np.frombuffer(self.first(size), dtype).reshape(shape)

    def resize(self, size: int) -> None:
        """Changes the size, in bytes."""
        self._map = None
        os.ftruncate(self.descriptor, size)


def fixed_seconds(max_pixels: int) -> int:
    """Returns the processor time that a file may take, in seconds, apart from 1 s for each MB.

    Args:
      max_pixels: Maximum number of pixels in a file.
    """
    return math.ceil(_SECONDS + _SECONDS_PER_PIXEL * max_pixels)


def main() -> None:
    """Decodes files until the other process closes the connection or ends.

    The connection is the standard input. The only argument is the file descriptor of the memory.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(sys.stdin.fileno())
    memory = SharedBytes(int(sys.argv[1]))
    try:
        while True:
            file, size = connection.recv()
            connection.send(_decode(file._replace(content=bytes(memory.first(size))), memory))
    except (EOFError, ConnectionError):
        return


def _decode(file: RasterFile, memory: SharedBytes) -> Decoded | PairError:
    seconds = fixed_seconds(file.max_pixels) + _SECONDS_PER_BYTE * len(file.content)
    # The kernel counts the time of all files since the start of the process.
    _limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds))
    memory_bytes = _BYTES + 2 * len(file.content) + _BYTES_PER_PIXEL * file.max_pixels
    _limit(resource.RLIMIT_DATA, memory_bytes)
    try:
        raster = decode(file)
    except PairError as error:
        return error
    samples = raster.samples
    memory.samples(samples.shape, samples.dtype.str)[...] = samples
    return raster._replace(samples=_NO_SAMPLES), samples.shape, samples.dtype.str


def _limit(kind: int, limit: int) -> None:
    _, most = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


if __name__ == "__main__":
    main()
