"""Every file is decoded within a limit on processor time and memory, in a process that can end."""

import io
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from data.config import DataConfig
from data.errors import PairError, UnavailableError
from data.examples.reading import read_pairs
from data.listing.pair import Pair
from data.rasters import decoder
from data.rasters.formats import decode
from data.rasters.raster import RasterFile

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
# The real process, with less time and memory. Python itself takes most of the memory.
SMALL = """
from data.rasters import decoder_process
decoder_process._SECONDS = 1
decoder_process._BYTES = 2**28
decoder_process.main()
"""


def tiff(pixels, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def pillow(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def overlapping_directories(count):
    """Makes a TIFF file of `count` directories of `count` tags each, which overlap.

    The file has 24 bytes per directory. Each slot of 12 bytes is the start of a directory, or the
    offset of the next directory, and a tag of all directories.
    """
    starts = [8 + 12 * directory for directory in range(1, count)]
    tag = struct.pack("<HHHIH", count, 65000, 3, 1, 0)
    offsets = [struct.pack("<HIHI", count, start, 0, 0) for start in starts]
    return b"II*\0\x08\0\0\0" + count * tag + b"".join(offsets) + bytes(24)


SLOW = overlapping_directories(2000)
DATA = DataConfig.model_validate(
    {
        "source": {"kind": "folder", "path": "x"},
        "classes": [f"c{i}" for i in range(255)],
        "max_pixels": 10**6,
    }
)


def read(content, max_pixels=10**6):
    return decoder.read_raster(RasterFile(content, "x", "image", max_pixels))


@pytest.fixture
def new_decoder(monkeypatch):
    fresh = decoder._Decoder()
    monkeypatch.setattr(decoder, "_decoder", fresh)
    yield fresh
    fresh.stop()


@pytest.fixture
def small_decoder(new_decoder, monkeypatch):
    monkeypatch.setattr(decoder, "_COMMAND", (sys.executable, "-c", SMALL))
    return new_decoder


FILES = {
    "tiff": tiff(PIXELS),
    "16-bit tiff": tiff(PIXELS.astype(np.uint16)),
    "gif": pillow("GIF"),
    "webp": pillow("WEBP"),
    "png": pillow("PNG"),
    "bmp": pillow("BMP"),
    "jpeg": pillow("JPEG", progressive=True),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_both_processes_decode_a_file_to_the_same_raster(content, new_decoder):
    file = RasterFile(content, "x", "image", 10**6)
    here, there = decode(file), new_decoder.decode(file)
    np.testing.assert_array_equal(there.samples, here.samples)
    assert there.samples.dtype == here.samples.dtype
    np.testing.assert_array_equal(there.palette, here.palette)
    assert there._replace(samples=None, palette=None) == here._replace(samples=None, palette=None)


@pytest.mark.parametrize(("name", "most"), [("png", 2**24), ("bmp", 2**24), ("jpeg", 2**23)])
def test_only_very_large_files_of_simple_formats_need_the_other_process(new_decoder, name, most):
    for size, started in ((most, False), (most + 1, True)):
        read(FILES[name].ljust(size, b"\0"))  # readers ignore trailing bytes
        assert (new_decoder._process is not None) == started


@pytest.mark.parametrize("name", ["tiff", "gif", "webp"])
def test_small_files_of_other_formats_need_it(new_decoder, name):
    read(FILES[name])
    assert new_decoder._process is not None


def test_a_file_that_takes_too_much_processor_time_is_one_bad_pair(small_decoder, tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "good.tif")
    Image.fromarray(PIXELS[..., 0] // 2).save(tmp_path / "mask.tif")
    (tmp_path / "slow.tif").write_bytes(SLOW)
    pairs = [
        Pair(name, f"{tmp_path}/{name}.tif", f"{tmp_path}/mask.tif", name, "", 0, "train")
        for name in ("slow", "good")
    ]
    slow, good = (read.record.problem for read in read_pairs(pairs, DATA))
    assert str(slow) == (
        f"{tmp_path}/slow.tif: takes more than 11 s of processor time to decode, plus 1 s for each "
        "MB. Save the image again as PNG."
    )
    assert slow.kind == "unreadable"
    assert good is None


def test_a_file_that_takes_too_much_memory_is_unreadable(small_decoder):
    side = 16_000
    content = bytearray(
        tiff(np.zeros((side, side), np.uint8), compression="png", rowsperstrip=side)
    )
    for tag in (256, 257):  # width and height
        place = content.index(struct.pack("<HHI", tag, 4, 1))
        content[place + 8 : place + 12] = struct.pack("<I", 64)
    assert len(content) < 10**6
    with pytest.raises(
        PairError, match=r"^x: takes too much memory to decode\. Save the image"
    ) as caught:
        read(bytes(content))
    assert caught.value.kind == "unreadable"
    process = small_decoder._process
    read(tiff(PIXELS))
    assert small_decoder._process is process  # which has not ended


def kill_while_decoding(decoder, signal_number):
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read, SLOW)
        while decoder._process is None:
            time.sleep(0.001)
        decoder._process.send_signal(signal_number)
        return reading.exception()


def test_a_file_that_crashes_the_decoder_is_damaged(new_decoder):
    error = kill_while_decoding(new_decoder, signal.SIGSEGV)
    assert isinstance(error, PairError)
    assert str(error).startswith("x: cannot be read as an image (damaged or truncated).")
    np.testing.assert_array_equal(read(tiff(PIXELS)).samples, PIXELS)


def test_a_killed_decoder_is_most_likely_lack_of_memory(new_decoder):
    error = kill_while_decoding(new_decoder, signal.SIGKILL)
    assert isinstance(error, UnavailableError)
    assert str(error) == (
        "x: the process that decodes it was killed (exit code -9), most likely because the memory "
        "was full. Lower data.max_pixels, or use a machine with more memory."
    )


def test_a_decoder_that_was_killed_between_files_is_replaced(new_decoder):
    read(tiff(PIXELS))
    new_decoder._process.kill()
    new_decoder._process.wait()
    np.testing.assert_array_equal(read(tiff(PIXELS)).samples, PIXELS)


def test_a_timeout_for_all_sockets_does_not_reach_the_decoder(new_decoder):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(1)  # as some libraries do; new sockets then block no more
    try:
        np.testing.assert_array_equal(read(tiff(PIXELS)).samples, PIXELS)
    finally:
        socket.setdefaulttimeout(before)


def test_threads_get_the_pixels_of_their_own_files(new_decoder):
    grey = [np.full((20 + value, 30), value, np.uint8) for value in range(40)]
    with ThreadPoolExecutor(8) as threads:
        rasters = list(threads.map(lambda pixels: read(tiff(pixels)), grey))
    for raster, pixels in zip(rasters, grey, strict=True):
        np.testing.assert_array_equal(raster.samples[..., 0], pixels)


def test_a_large_file_leaves_no_shared_memory_behind(new_decoder, monkeypatch):
    monkeypatch.setattr(decoder, "_MOST_KEPT", 10_000)
    for pixels in (PIXELS[:10], PIXELS, PIXELS[:20], np.repeat(PIXELS, 9, 0), PIXELS[:1]):
        np.testing.assert_array_equal(read(tiff(pixels)).samples, pixels)
        assert os.fstat(new_decoder._memory.descriptor).st_size <= 10_000


LONELY = """
import os, signal, sys
from tests.data.rasters.test_decoder import PIXELS, decoder, read, tiff
read(tiff(PIXELS))
if not os.fork():
    read(tiff(PIXELS))  # by a decoder of its own
    print(decoder._decoder._process.pid, flush=True)
    decoder._decoder.stop()
    os._exit(0)
assert os.wait()[1] == 0
read(tiff(PIXELS))
print(decoder._decoder._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_fork_has_its_own_decoder_and_none_outlives_its_parent():
    done = subprocess.run(
        [sys.executable, "-c", LONELY],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = {int(pid) for pid in done.stdout.split()}
    assert len(pids) == 2
    while any(map(is_running, pids)):  # the test's own time limit is that of the suite
        time.sleep(0.01)


def is_running(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
