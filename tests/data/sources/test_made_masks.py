import io
import sys

import numpy as np
import pytest
from PIL import Image

from data.errors import PairError
from data.sources import made_masks
from data.sources.made_masks import MaskTask, digest_of, make_masks


def flat(value, height):
    if value > 9:
        raise PairError("annotation", f"{value}", "too large")
    return np.full((height, 3), value, np.uint8)


def task(value, path="0/{}.png"):
    return MaskTask(path.format(value), digest_of(value), value)


def make(folder, *values, earlier=None, height=2, **options):
    folder.mkdir()
    return make_masks([task(value, **options) for value in values], folder, earlier, flat, height)


def pixels(path):
    with Image.open(path) as file:
        return np.asarray(file)


def test_masks_and_errors(tmp_path):
    errors = make(tmp_path / "a", 1, 10, 2)
    assert {path: str(error) for path, error in errors.items()} == {"0/10.png": "10: too large"}
    assert pixels(tmp_path / "a/0/2.png").tolist() == [[2] * 3] * 2
    assert sorted(path.name for path in (tmp_path / "a/0").iterdir()) == ["1.png", "2.png"]


def test_a_mask_with_the_same_digest_is_taken_from_the_earlier_folder(tmp_path):
    make(tmp_path / "a", 1, 10, 2)
    errors = make(tmp_path / "b", 2, 3, 10, earlier=tmp_path / "a", height=5, path="new/{}.png")
    heights = {path.name: len(pixels(path)) for path in (tmp_path / "b/new").iterdir()}
    assert heights == {"2.png": 2, "3.png": 5}
    assert [*errors] == ["new/10.png"]


@pytest.mark.parametrize("text", [None, "{"])
def test_without_the_masks_of_the_earlier_folder_all_are_made(tmp_path, text):
    make(tmp_path / "a", 1)
    (tmp_path / "a/0/1.png").unlink()
    if text:
        (tmp_path / "a/digests.json").write_text(text)
    make(tmp_path / "b", 1, earlier=tmp_path / "a")
    assert (tmp_path / "b/0/1.png").exists()


def test_the_digest_is_that_of_numbers_and_text():
    array = np.arange(3.0)
    assert digest_of([1, array]) == digest_of([1, array.copy()])
    assert digest_of([1, array]) != digest_of([1, array + 1])
    assert digest_of([1, "a"]) != digest_of([1, "b"])


def test_progress_is_shown_on_a_terminal_when_many_masks_are_made(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(made_masks, "_FEW", 1)
    monkeypatch.setattr(sys, "stdout", Terminal())
    make(tmp_path / "a", 1)
    assert sys.stdout.getvalue() == ""
    make(tmp_path / "b", 1, 2)
    text = sys.stdout.getvalue()
    assert text.startswith("\n")
    assert "Drawing masks" in text
    assert "100%" in text
