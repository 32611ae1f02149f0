"""Real files with additions of other programs: what is stored, as TensorFlow and Pillow read it."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.mutations import real_files
from data.config import DataConfig
from data.errors import PairError
from data.examples.parsing import decode_image
from data.rasters.images import load_image

DATA = DataConfig.model_validate({"source": {"kind": "folder", "path": "x"}, "classes": ["a", "b"]})
FILES = {
    name: content
    for name, content in real_files().items()
    if not name.startswith(("tiff", "bigtiff", "png 16", "jpeg cmyk", "jpeg lossless"))
    and "turned" not in name
    and name != "webp lossy"  # has an EXIF orientation
}


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_part(content, kind, body):
    """Inserts a segment or a chunk behind the head of a JPEG or PNG file."""
    if content.startswith(b"\xff\xd8"):
        return (
            content[:2]
            + bytes([0xFF, kind])
            + struct.pack(">H", len(body) + 2)
            + body
            + content[2:]
        )
    if content.startswith(b"\x89PNG"):
        name = bytes([b"aAtz"[kind % 4], *b"bCd"])
        return content[:33] + chunk(name, body) + content[33:]
    return content


@pytest.mark.filterwarnings("ignore")  # Pillow warns of metadata that it cannot read
@given(
    st.sampled_from(sorted(FILES)),
    st.none() | st.tuples(st.integers(0, 255), st.binary(max_size=40)),
    st.binary(max_size=40) | st.sampled_from(sorted(FILES.values())),
)
@settings(max_examples=250)
def test_tensorflow_reads_what_is_stored_as_pillow_reads_the_file(name, part, behind):
    content = (with_part(FILES[name], *part) if part else FILES[name]) + behind
    try:
        image = load_image(content, "x", DATA)
    except PairError:
        assert part, "bytes behind the end of a file are no fault"
        return
    np.testing.assert_array_equal(decode_image(image.encoded).numpy(), image.pixels)
    with Image.open(io.BytesIO(FILES[name])) as whole:
        expected = np.asarray(whole.convert("RGBA").convert("RGB"))
    if not part:  # a segment may hold a table of the decoder
        np.testing.assert_array_equal(image.pixels, expected)
