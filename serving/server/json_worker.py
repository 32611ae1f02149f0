"""Reads and writes large JSON documents in a second process, so that the server stays responsive.

Python's JSON functions hold the interpreter lock until they are done, which takes seconds for a
document of 60 MB. Meanwhile no other thread of the process can run, so the server would not even
answer `/healthz`.

The command is `python -m serving.server.json_worker`. The process reads calls from its standard
input and writes the results to its standard output, both as pickles, until the input ends.
"""

import asyncio
import pickle
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from serving.server.errors import Code, RequestError
from serving.server.json_format import InputTypes, PredictRequest, read_request, write_response
from serving.signature import Arrays

# Documents of at most this many bytes are read and written in the server's own process. Any such
# document takes a few milliseconds, which is as long as sending it to another process.
_SMALL = 256 * 1024
_Result = TypeVar("_Result")
_LENGTH = struct.Struct("<Q")
_BUFFER = 2**20  # bytes that asyncio may hold on their way to or from the process


class JsonWorker:
    """A second process that reads requests and writes responses; it starts when it is needed."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._lock = asyncio.Lock()

    async def read(self, body: bytes, signatures: InputTypes) -> PredictRequest:
        """Parses the body of a request. See `json_format.read_request`."""
        return await self._call(len(body), partial(read_request, body, signatures))

    async def write(self, outputs: Arrays, *, in_rows: bool) -> bytes:
        """Builds the body of a response. See `json_format.write_response`."""
        size = sum(
            array.nbytes + (sum(map(len, array.flat)) if array.dtype == object else 0)
            for array in outputs.values()
        )
        return await self._call(size, partial(write_response, outputs, in_rows=in_rows))

    async def close(self) -> None:
        """Stops the process."""
        if self._process is not None:
            await _end(self._process)
            self._process = None

    async def _call(self, size: int, function: Callable[[], _Result]) -> _Result:
        if size <= _SMALL:
            return await asyncio.to_thread(function)
        async with self._lock:
            if self._process is None:
                self._process = await _start()
            try:
                result = await _result(self._process, function)
            except BaseException as error:
                # After a timeout, the process is still busy with the call.
                await self.close()
                if isinstance(error, OSError | EOFError):
                    raise RequestError(
                        Code.UNAVAILABLE, "not enough memory for this request; try again later"
                    ) from error
                raise
        if isinstance(result, RequestError):
            raise result
        return result


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__),
        stdin=PIPE,
        stdout=PIPE,
        limit=_BUFFER,
        cwd=Path(__file__).parents[2],  # makes `python -m` import the same code as this process
        # Ctrl-C in a terminal reaches all processes, but the server completes its requests first.
        start_new_session=True,
    )


async def _result(process: Process, function: Callable[[], _Result]) -> _Result | RequestError:
    assert process.stdin is not None  # noqa: S101, for the type checker
    assert process.stdout is not None  # noqa: S101, for the type checker
    call = memoryview(pickle.dumps(function, pickle.HIGHEST_PROTOCOL))
    for start in range(0, len(call), _BUFFER):
        process.stdin.write(call[start : start + _BUFFER])
        await process.stdin.drain()
    (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
    content = await process.stdout.readexactly(length)
    result: _Result | RequestError = pickle.loads(content)  # noqa: S301, from our own process
    return result


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


def main() -> None:
    """Handles calls until the standard input ends, which it does when the server ends."""
    calls, results = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            function = pickle.load(calls)  # noqa: S301, from the server
        except EOFError:
            return
        try:
            result = function()
        except RequestError as error:
            result = error
        except MemoryError:
            return
        content = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
        results.write(_LENGTH.pack(len(content)) + content)
        results.flush()
        del function, result, content  # up to a gigabyte


if __name__ == "__main__":
    main()
