import re
from pathlib import Path

import pytest

from data.errors import InputError
from data.files.writing import write_text
from serving.files.image_files import find_images


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with images and other files in folders."""
    for name in (
        "new/b.png",
        "new/a.JPG",
        "new/deep/er/a.tif",
        "new/notes.txt",
        "new/.hidden.png",
        "new/.thumbnails/a.png",
        "old/a.png",
        "old/[1].png",
        "single.bmp",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*patterns, out="out"):
    images = find_images(patterns, Path(out))
    return {image.path: image.name for image in images}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["single.bmp"], {"single.bmp": "single"}),
        (["new/b.png", "single.bmp"], {"new/b.png": "b", "single.bmp": "single"}),
        (
            ["new"],
            {"new/a.JPG": "a", "new/b.png": "b", "new/deep/er/a.tif": "deep/er/a"},
        ),
        (["new/"], {"new/a.JPG": "a", "new/b.png": "b", "new/deep/er/a.tif": "deep/er/a"}),
        (["new/*.png"], {"new/b.png": "b"}),
        (["*/a.*"], {"new/a.JPG": "new/a", "old/a.png": "old/a"}),
        (["new/**/a.*"], {"new/a.JPG": "a", "new/deep/er/a.tif": "deep/er/a"}),
        (["new/d*"], {"new/deep/er/a.tif": "deep/er/a"}),
        (["old/[1].png"], {"old/[1].png": "[1]"}),
        (["old/[ab].png"], {"old/a.png": "a"}),
        (["new/b.png", "new/*.png", "new/../new/b.png"], {"new/b.png": "b"}),
        (["new/notes.txt"], {"new/notes.txt": "notes"}),
    ],
    ids=[
        "file",
        "files",
        "folder",
        "folder with slash",
        "glob",
        "glob of folders",
        "any folders",
        "glob that matches a folder",
        "brackets in a name",
        "brackets as wildcard",
        "thrice",
        "what is named counts, whatever its suffix",
    ],
)
def test_files_folders_and_globs(here, patterns, expected):
    assert found(*patterns) == expected


def test_absolute_paths(here):
    assert found(str(here / "new/deep")) == {str(here / "new/deep/er/a.tif"): "er/a"}
    assert found(str(here / "o*/a.png")) == {str(here / "old/a.png"): "old/a"}


def test_images_in_a_bucket(gs_folder):
    for name in ("new/a.JPG", "new/deep/er/[1].tif", "new/notes.txt"):
        write_text(f"{gs_folder}/{name}", "")
    new = f"{gs_folder}/new"
    assert found(f"{new}/a.JPG") == {f"{new}/a.JPG": "a"}
    expected = {f"{new}/a.JPG": "a", f"{new}/deep/er/[1].tif": "deep/er/[1]"}
    assert found(new) == found(f"{new}/a.*", f"{new}/deep/er/*", new) | expected == expected
    assert found(f"{gs_folder}/n*/*") == {f"{new}/a.JPG": "new/a"}
    for pattern, words in (
        (f"{new}/b.png", "no such file or folder."),
        (f"{new}/b*", "contains no image files. Expected"),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(pattern)}: {words}"):
            found(pattern)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("nowhere.png", "nowhere.png: no such file or folder."),
        ("new/*.bmp", "new/*.bmp: no file matches this pattern."),
        (
            "empty",
            "empty: contains no image files. Expected .bmp .gif .jfif .jpe .jpeg .jpg .png .tif "
            ".tiff .webp",
        ),
    ],
    ids=["no such file", "a glob", "no image"],
)
def test_what_names_no_image_is_said(here, pattern, words):
    (here / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        found("single.bmp", pattern)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "patterns", [["new/a.JPG", "old/a.png"], ["new", "old"]], ids=["files", "folders"]
)
def test_two_images_that_would_be_written_to_one_file(here, patterns):
    with pytest.raises(InputError) as caught:
        found(*patterns)
    assert str(caught.value).startswith(
        "old/a.png: its mask would have the same name as the mask of new/a"
    )


def test_masks_of_an_earlier_time_are_no_images(here):
    expected = found("new", out="new/masks")
    for name in expected.values():
        for kind in ("mask", "overlay"):
            path = here / f"new/masks/{name}_{kind}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert found("new", out="new/masks") == expected
    assert found("new/**/*.*", out="new/masks") == expected | {"new/notes.txt": "notes"}


def test_a_folder_is_not_filled_while_it_is_read(here):
    with pytest.raises(InputError, match="new: contains the images"):
        found("new", out="new")


def test_an_image_is_never_overwritten(here):
    (here / "new/b_mask.png").touch()
    with pytest.raises(InputError, match=r"new/b_mask\.png: the image would be overwritten"):
        found("new/*.png", out="new")
