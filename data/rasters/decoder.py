"""Reads image and mask files in any supported format, each within a limit on processor time.

The time to decode most PNG, JPEG and BMP files is known from the size of the file and the number of
its pixels, so they are decoded in this process. Any other file is decoded in a second process,
which the kernel ends at the limit. Processes that read many such files keep one decoder each.
"""

import atexit
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe
from pathlib import Path

from data.errors import PairError, UnavailableError
from data.jobs.safe_path import environment_of_module
from data.rasters import decoder_process
from data.rasters.decoder_process import Decoded, SharedBytes, fixed_seconds
from data.rasters.formats import DAMAGED, decode, decodes_in_known_time
from data.rasters.raster import Raster, RasterFile

_COMMAND = (sys.executable, "-W", "ignore", "-m", decoder_process.__name__)
_REPOSITORY = Path(__file__).parents[2]  # from there, `-m` imports the same code as this process
_MOST_KEPT = 2**26  # bytes of shared memory that are kept for the next file
# Signals that end a process whose code is faulty, as damaged files may reveal
_CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
)


def read_raster(file: RasterFile) -> Raster:
    """Reads a PNG, JPEG, BMP, GIF, TIFF or WebP file.

    Args:
      file: The content of the file, its name and the pixel limit.

    Returns:
      The pixels, with the EXIF orientation applied.

    Raises:
      PairError: The file cannot be used; the error's `kind` is `unreadable`, `too_large`,
        `image_format` or `mask_format`. A file that takes too much processor time or memory is
        `unreadable`.
      UnavailableError: The decoder was killed, most likely because the memory was full.
    """
    raster = decode(file) if decodes_in_known_time(file.content) else _decoder.decode(file)
    return raster.upright()


class _Decoder:
    """A process that decodes files for all threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, file: RasterFile) -> Raster:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._stop()
                self._start()
            try:
                return self._ask(file)
            except PairError:
                raise
            except (EOFError, ConnectionError) as error:
                raise _reason(self._stop(), file) from error
            except BaseException:
                self._stop()  # the answer to this file must not be taken for that to the next
                raise

    def _start(self) -> None:
        self._connection, theirs = Pipe()  # blocking, whatever the default timeout of sockets
        descriptor = os.memfd_create("samples")
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603, the command is a module of this package
                [*_COMMAND, str(descriptor)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                pass_fds=[descriptor],
                cwd=_REPOSITORY,
                env=environment_of_module(),
                start_new_session=True,  # this process handles Ctrl-C
            )
        self._memory = SharedBytes(descriptor)

    def _ask(self, file: RasterFile) -> Raster:
        size = len(file.content)
        self._memory.first(size)[:] = file.content
        self._connection.send((file._replace(content=b""), size))
        answer: Decoded | PairError = self._connection.recv()
        try:
            if isinstance(answer, PairError):
                raise answer
            raster, shape, dtype = answer
            return raster._replace(samples=self._memory.samples(shape, dtype).copy())
        finally:
            if self._memory.size > _MOST_KEPT:
                self._memory.resize(0)

    def _stop(self) -> int:
        """Ends the process, and returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        self._connection.close()
        os.close(self._memory.descriptor)
        process.kill()  # does nothing if the process has ended
        return process.wait()

    def stop(self) -> None:
        """Ends the process, if there is one."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """Leaves the process to the process that started it, of which this process is a fork."""
        if self._process is not None:
            self._process.returncode = 0  # otherwise, Popen would warn that it is still running
        self._lock = threading.Lock()
        self._process = None


def _reason(exit_code: int, file: RasterFile) -> PairError | UnavailableError:
    """Returns the error for a file during which the decoder ended."""
    if -exit_code == signal.SIGXCPU:
        return file.error(
            "unreadable",
            f"takes more than {fixed_seconds(file.max_pixels)} s of processor time to decode, plus "
            f"1 s for each MB. Save the {file.purpose} again as PNG.",
        )
    if -exit_code in _CRASHES:
        return file.error("unreadable", DAMAGED)
    return UnavailableError(
        f"{file.name}: the process that decodes it was killed (exit code {exit_code}), most likely "
        "because the memory was full. Lower data.max_pixels, or use a machine with more memory."
    )


_decoder = _Decoder()
atexit.register(_decoder.stop)
os.register_at_fork(after_in_child=_decoder.forget)
