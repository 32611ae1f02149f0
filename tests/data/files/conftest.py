import pytest


@pytest.fixture(params=["local", "ram", "gs"])
def anywhere(request):
    """A folder: local, in TensorFlow's in-memory file system, and in a bucket."""
    fixtures = {"local": "tmp_path", "ram": "remote_folder", "gs": "gs_folder"}
    return str(request.getfixturevalue(fixtures[request.param]))


@pytest.fixture
def tree(anywhere, write_files):
    write_files(anywhere, "b.png", "a/x.png", "a/y/z.txt", ".hidden.png", ".git/x.png", "Thumbs.db")
    return anywhere
