import gzip
import io
import zlib

import pytest

from data.stored import StoredGzip, zlib_stored

CONTENTS = [b"", b"a", bytes(65535), bytes(range(256)) * 1000]


@pytest.mark.parametrize("content", CONTENTS, ids=len)
def test_zlib_reads_the_stream(content):
    assert zlib.decompress(zlib_stored(content)) == content


def test_gzip_reads_the_file():
    file = io.BytesIO()
    stream = StoredGzip(file)
    for content in CONTENTS:
        stream.write(content)
    stream.finish()
    assert gzip.decompress(file.getvalue()) == b"".join(CONTENTS)
    file.seek(0)
    damaged = bytearray(file.getvalue())
    damaged[-1] ^= 1
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(damaged)
