import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from data.config import DataConfig
from data.examples.reading import read_pair, read_pairs
from data.listing.pair import Pair

IMAGE = np.array([[[0, 10, 20], [255, 30, 40]], [[0, 50, 60], [1, 70, 80]]], np.uint8)
MASK = np.array([[0, 1], [255, 1]], np.uint8)


def config(**changes):
    plain = {"source": {"kind": "folder", "path": "x"}, "classes": ["ground", "disc"]}
    return DataConfig.model_validate(plain | changes)


@pytest.fixture
def pair(tmp_path):
    """Writes a pair of files and returns the pair."""

    def pair(image=IMAGE, mask=MASK, *, suffix="png", **options):
        Image.fromarray(image).save(tmp_path / f"image.{suffix}", **options)
        Image.fromarray(mask).save(tmp_path / "mask.png")
        files = (str(tmp_path / f"image.{suffix}"), str(tmp_path / "mask.png"))
        return Pair("key", *files, "group", "cells", 0, "train")

    return pair


def test_facts_of_a_pair_by_hand(pair):
    read = read_pair(pair(), config())
    facts = read.record.statistics
    assert (facts.height, facts.width) == (2, 2)
    assert facts.means == (64.0, 40.0, 50.0)
    assert facts.std == pytest.approx(np.std(IMAGE))
    assert facts.fractions == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert facts.labelled == 0.75
    assert facts.sha256 == hashlib.sha256(read.image).hexdigest()
    assert facts.max_sample is None
    assert read.record.values == (0, 1, 255)
    assert read.record.problem is None


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_brightness_is_numpys(tmp_path_factory, height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    folder = tmp_path_factory.mktemp("pair")
    Image.fromarray(pixels).save(folder / "i.png")
    Image.fromarray(np.zeros((height, width), np.uint8)).save(folder / "m.png")
    files = (str(folder / "i.png"), str(folder / "m.png"))
    facts = read_pair(Pair("k", *files, "g", "s", 0, "train"), config()).record.statistics
    assert facts.means == pytest.approx(tuple(pixels.reshape(-1, 3).mean(0)))
    assert facts.std == pytest.approx(pixels.std())


def test_content_is_that_of_the_pixels_whatever_the_format(pair):
    contents = {
        suffix: read_pair(pair(suffix=suffix), config()).record.statistics
        for suffix in ("png", "bmp", "tiff")
    }
    assert len({facts.content for facts in contents.values()}) == 1
    assert contents["png"].sha256 != contents["bmp"].sha256
    other = read_pair(pair(IMAGE[::-1]), config()).record.statistics
    wide = read_pair(pair(IMAGE.reshape(1, 4, 3), MASK.reshape(1, 4)), config()).record.statistics
    assert len({contents["png"].content, other.content, wide.content}) == 3


def problem(read):
    assert (read.image, read.mask, read.record.statistics) == (b"", b"", None)
    return read.record.problem.kind, str(read.record.problem)


def test_a_mask_of_another_size(pair):
    kind, text = problem(read_pair(pair(mask=np.zeros((3, 5), np.uint8)), config()))
    assert kind == "size_mismatch"
    assert "mask.png: 5×3 pixels, but its image has 2×2" in text


def test_an_image_of_another_size_than_its_annotations(pair):
    source = {"kind": "coco", "path": "x", "background": None}
    kind, text = problem(read_pair(pair(mask=np.zeros((3, 5), np.uint8)), config(source=source)))
    assert kind == "size_mismatch"
    assert "image.png: the image has 2×2 pixels, but 5×3 by its annotations or masks" in text


def turned(orientation=6):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return {"suffix": "jpg", "exif": exif}


def test_a_mask_of_the_rotated_image_fits_a_photograph_with_an_exif_rotation(pair):
    photograph = np.zeros((2, 4, 3), np.uint8)  # after rotation, it is 4 high and 2 wide
    facts = read_pair(
        pair(photograph, np.ones((4, 2), np.uint8), **turned()), config()
    ).record.statistics
    assert (facts.height, facts.width) == (4, 2)


def test_a_mask_drawn_before_the_exif_rotation_is_refused(pair):
    photograph = np.zeros((2, 4, 3), np.uint8)
    kind, text = problem(
        read_pair(pair(photograph, np.ones((2, 4), np.uint8), **turned()), config())
    )
    assert kind == "size_mismatch"
    assert "before its EXIF rotation" in text
    assert "EXIF" in text


def test_a_mask_without_a_labelled_pixel(pair):
    kind, text = problem(read_pair(pair(mask=np.full((2, 2), 255, np.uint8)), config()))
    assert kind == "all_ignored"
    assert "mask.png: all pixels are ignored" in text


def test_values_without_a_class_are_kept_for_all_masks_together(pair):
    read = read_pair(pair(mask=np.array([[0, 9], [7, 1]], np.uint8)), config())
    assert problem(read)[0] == "value_without_class"
    assert sorted(read.record.values) == [0, 1, 7, 9]


def test_a_file_that_is_gone(pair, tmp_path):
    one = pair()
    (tmp_path / "mask.png").unlink()
    kind, text = problem(read_pair(one, config()))
    assert kind == "unreadable"
    assert "mask.png: no such file" in text


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_many_are_read_in_order(pair, remote, remote_folder, write_file):
    one = pair()
    if remote:
        for name in ("image.png", "mask.png"):
            local = Path(one.image).with_name(name)
            write_file(f"{remote_folder}/{name}", local.read_bytes())
        one = one._replace(image=f"{remote_folder}/image.png", mask=f"{remote_folder}/mask.png")
    pairs = [one._replace(key=str(i)) for i in range(30)]
    pairs[7] = pairs[7]._replace(image="nowhere.png")
    reads = list(read_pairs(pairs, config()))
    assert [read.record.pair.key for read in reads] == [str(i) for i in range(30)]
    assert [i for i, read in enumerate(reads) if read.record.problem] == [7]
