import os

import pytest

from data.errors import InputError, MissingFileError
from data.files.reading import read_bytes, read_lines, read_range, read_text, read_text_lines
from data.files.writing import new_file


def test_a_file_is_read_as_it_is(tree):
    assert read_bytes(f"{tree}/a/x.png") == b"a/x.png"


def test_lines_are_read_one_after_the_other(anywhere, write_file):
    write_file(f"{anywhere}/a.txt", "Grün\u2028\r\n\n3".encode())
    lines = read_lines(f"{anywhere}/a.txt")
    assert next(lines) == "Grün\u2028".encode()
    assert list(lines) == [b"", b"3"]


def test_a_file_is_read_in_parts(anywhere):
    content = b"".join(b"line %d\r\n" % number for number in range(300_000))  # > 2 buffers
    with new_file(f"{anywhere}/x.txt") as file:
        file.write(content)
    assert b"\r\n".join(read_lines(f"{anywhere}/x.txt")) + b"\r\n" == content
    assert "".join(read_text_lines(f"{anywhere}/x.txt")).encode() == content
    for start, length in ((0, 3), (2_000_000, 1_500_000), (len(content) - 2, 9)):
        part = read_range(f"{anywhere}/x.txt", start, length)
        assert part == content[start : start + length]
    for read in (read_range, lambda path, *_: list(read_text_lines(path))):
        with pytest.raises(MissingFileError, match=r"/y.txt: no such file. Restore it.$"):
            read(f"{anywhere}/y.txt", 0, 1)


def test_text_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffGrün\r\n".encode())
    assert read_text(f"{tmp_path}/a.txt") == "Grün\r\n"
    (tmp_path / "a.txt").write_bytes("Grün".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_text(f"{tmp_path}/a.txt")


def read_first_line(path):
    return next(read_lines(path), None)


@pytest.mark.parametrize("read", [read_bytes, read_first_line])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_device_is_refused_at_once(tmp_path, make, read):
    make(tmp_path / "1.png")
    with pytest.raises(InputError, match=r"/1\.png: a pipe or a device, not a file"):
        read(str(tmp_path / "1.png"))


def test_a_path_with_a_nul_is_one_line():
    with pytest.raises(InputError, match="not a path"):
        read_bytes("a\0")
