import itertools
from pathlib import Path

import pytest

_numbers = itertools.count()


@pytest.fixture
def remote_folder():
    """A remote folder, in TensorFlow's in-memory file system."""
    return f"ram://test-{next(_numbers)}"


@pytest.fixture(params=["local", "remote"])
def anywhere(request, tmp_path, remote_folder):
    """A folder, once local and once remote."""
    return str(tmp_path) if request.param == "local" else remote_folder


def _write_file(path, content):
    if "://" in path:
        import tensorflow as tf

        if not path.startswith("gs://"):
            tf.io.gfile.makedirs(path.rpartition("/")[0])
        with tf.io.gfile.GFile(path, "wb") as file:
            file.write(content)
    else:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)


@pytest.fixture(scope="session")
def write_file():
    """Writes a file, local or remote, and creates the folders above the file."""
    return _write_file


@pytest.fixture(scope="session")
def write_files():
    """Writes files into a folder, each with the file's name as content."""

    def write(folder, *names):
        for name in names:
            _write_file(f"{folder}/{name}", name.encode())

    return write


@pytest.fixture
def write_pairs(write_files):
    """Writes pairs with the given keys into a folder."""

    def write(root, *keys):
        write_files(root, *(f"{kind}/{key}.png" for key in keys for kind in ("images", "masks")))

    return write
