import pytest

from data.files.paths import join, relative_path


@pytest.mark.parametrize(
    ("folder", "name", "joined"),
    [
        ("/a/b", "c/d", "/a/b/c/d"),
        ("/a/b/", ".", "/a/b"),
        ("/a/b", "../c", "/a/c"),
        (".", "c", "c"),
        ("gs://a/b", "./c", "gs://a/b/c"),
        ("gs://a/b", "../c", "gs://a/c"),
    ],
)
def test_join(folder, name, joined):
    assert join(folder, name) == joined


@pytest.mark.parametrize(
    ("path", "folder", "relative"),
    [
        ("/a/b/c", "/a", "b/c"),
        ("/a/b", "/a/b", "."),
        ("/ab/c", "/a", None),
        ("/a", "/a/b", None),
        ("a/b", ".", "a/b"),
        ("../b", ".", None),
        ("..b", ".", "..b"),
        ("gs://a/b", "gs://a", "b"),
        ("gs://a/b", "s3://a", None),
        ("/a/b", "gs://a", None),
        ("gs://a/b", "/a", None),
    ],
)
def test_relative_path(path, folder, relative):
    assert relative_path(path, folder) == relative
