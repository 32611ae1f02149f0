import shutil

import pytest

from data.config import DataConfig
from data.errors import InputError
from data.pairs import IMAGE_SUFFIXES, find_pairs, fingerprint


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def config(root, **changes):
    source = {"kind": "folder", "path": str(root)}
    return DataConfig.model_validate({"source": source, "classes": ["a", "b"]} | changes)


def find(root, **changes):
    return find_pairs(config(root, **changes), sample_folder="")


def refusal(root, **changes):
    with pytest.raises(InputError) as caught:
        find(root, **changes)
    return str(caught.value)


def test_pairs_are_formed_by_relative_stem(tmp_path):
    write(tmp_path, "images/x/1.jpg", "images/1.png", "images/x/y/1.BMP")
    write(tmp_path, "masks/1.png", "masks/x/1.png", "masks/x/y/1.tif")
    assert [(pair.key, pair.image, pair.mask) for pair in find(tmp_path)] == [
        ("1", str(tmp_path / "images/1.png"), str(tmp_path / "masks/1.png")),
        ("x/1", str(tmp_path / "images/x/1.jpg"), str(tmp_path / "masks/x/1.png")),
        ("x/y/1", str(tmp_path / "images/x/y/1.BMP"), str(tmp_path / "masks/x/y/1.tif")),
    ]


def test_position_in_the_listings_is_no_pairing(tmp_path):
    # Sorted by file name, the first image would meet the second image's mask.
    write(tmp_path, "images/a.png", "images/a-1.png", "masks/a.tif", "masks/a-1.png")
    assert [(pair.key, pair.mask.rpartition("/")[2]) for pair in find(tmp_path)] == [
        ("a", "a.tif"),
        ("a-1", "a-1.png"),
    ]


def test_order_of_creation_does_not_matter(tmp_path):
    names = [f"{kind}/{stem}.png" for stem in "cab" for kind in ("images", "masks")]
    write(tmp_path / "one", *names)
    write(tmp_path / "two", *reversed(names))
    one, two = (find(tmp_path / name) for name in ("one", "two"))
    assert [pair.key for pair in one] == [pair.key for pair in two] == ["a", "b", "c"]


def test_sub_folders_have_configurable_names(tmp_path):
    write(tmp_path, "photos/1.png", "labels/1.png")
    source = {"kind": "folder", "path": str(tmp_path), "images": "photos", "masks": "labels"}
    assert [pair.key for pair in find(tmp_path, source=source)] == ["1"]


def test_a_stem_may_hold_dots(tmp_path):
    write(tmp_path, "images/v1.0.png", "images/v1.1.png", "masks/v1.0.png", "masks/v1.1.png")
    assert [pair.key for pair in find(tmp_path)] == ["v1.0", "v1.1"]


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_suffix_is_taken_in_any_case(tmp_path, suffix):
    write(tmp_path, f"images/1{suffix.upper()}", f"masks/1{suffix}")
    assert len(find(tmp_path)) == 1


@pytest.mark.parametrize(
    "litter",
    [".DS_Store", ".hidden.png", ".git/2.png", "x/.cache/2.png", "Thumbs.db", "x/desktop.ini"],
)
def test_litter_is_ignored(tmp_path, litter):
    write(tmp_path, "images/1.png", "masks/1.png", f"images/{litter}", f"masks/{litter}")
    assert [pair.key for pair in find(tmp_path)] == ["1"]


def test_an_image_without_mask_is_named(tmp_path):
    write(tmp_path, "images/1.png", "images/x/2.png", "masks/1.png")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}/images/x/2.png: no mask ")
    assert f" in {tmp_path}/masks." in message
    assert "\n" not in message


def test_a_mask_without_image_is_named(tmp_path):
    write(tmp_path, "images/1.png", "masks/1.png", "masks/2.png")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}/masks/2.png: no image ")
    assert f" in {tmp_path}/images." in message
    assert "\n" not in message


def test_lonely_images_and_masks_are_both_told_and_long_lists_are_cut(tmp_path):
    write(tmp_path, *(f"images/i{n}.png" for n in range(5)), "masks/m.png")
    images, masks = refusal(tmp_path).splitlines()
    assert "i0.png" in images
    assert "i2.png and 2 more: no mask" in images
    assert "i3.png" not in images
    assert "masks/m.png: no image" in masks


def test_a_missing_folder_is_named(tmp_path):
    write(tmp_path, "images/1.png")
    assert refusal(tmp_path).startswith(f"{tmp_path}/masks: no such folder.")
    assert refusal(tmp_path / "nowhere").startswith(f"{tmp_path}/nowhere/images: no such folder.")


def test_a_folder_without_images_is_named_with_what_was_looked_for(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}/images: no images in it")
    assert all(f"*{suffix}" in message for suffix in IMAGE_SUFFIXES)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_two_files_of_one_stem_are_refused(tmp_path, kind):
    write(tmp_path, "images/1.png", "masks/1.png", f"{kind}/1.jpg")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}/{kind}/1.jpg and {tmp_path}/{kind}/1.png: ")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["notes.txt", "x/1.npy", "README", "2.png.bak"])
def test_a_foreign_file_is_named(tmp_path, name):
    write(tmp_path, "images/1.png", "masks/1.png", f"images/{name}")
    message = refusal(tmp_path)
    assert message.startswith(f"{tmp_path}/images/{name}: ")
    assert "suffix" in message
    assert ".png" in message


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (None, ["p1/a_1", "p1/b_1", "p2/a_1"]),
        (r"^[^/]+", ["p1", "p1", "p2"]),
        (r"^(p\d)/", ["p1", "p1", "p2"]),
        (r"p(\d)/([ab])", ["1", "1", "2"]),
        (r"^(p2)|/(a)|/(b)", ["a", "b", "p2"]),
        (r"(x)?_1$", ["_1", "_1", "_1"]),
    ],
    ids=["none", "whole match", "group", "first of two", "alternatives", "group not taken"],
)
def test_group_of_a_pair(tmp_path, pattern, groups):
    keys = ["p1/a_1", "p1/b_1", "p2/a_1"]
    write(tmp_path, *(f"{kind}/{key}.png" for key in keys for kind in ("images", "masks")))
    assert [pair.group for pair in find(tmp_path, group=pattern)] == groups


def test_a_key_outside_the_group_expression_is_refused(tmp_path):
    write(tmp_path, "images/p1.png", "images/q1.png", "masks/p1.png", "masks/q1.png")
    message = refusal(tmp_path, group=r"^p\d")
    assert message.startswith("data.group: ")
    assert repr(r"^p\d") in message
    assert "'q1'" in message


@pytest.fixture
def pairs(tmp_path):
    write(tmp_path / "one", "images/1.png", "images/2.png", "masks/1.png", "masks/2.png")
    return find(tmp_path / "one")


def test_fingerprint_is_the_same_for_a_copy_elsewhere(pairs, tmp_path):
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert fingerprint(find(tmp_path / "two")) == fingerprint(pairs)


@pytest.mark.parametrize("name", ["images/1.png", "masks/2.png"])
def test_fingerprint_sees_one_byte(pairs, tmp_path, name):
    before = fingerprint(pairs)
    path = tmp_path / "one" / name
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    assert fingerprint(find(tmp_path / "one")) != before


def test_fingerprint_sees_group_key_and_number_of_pairs(pairs, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "one", other)
    for kind in ("images", "masks"):
        (other / kind / "2.png").rename(other / kind / "3.png")
    regrouped = [pair._replace(group="all") for pair in pairs]
    different = [pairs, regrouped, pairs[:1], find(other)]
    assert len({fingerprint(some) for some in different}) == 4


def test_fingerprint_sees_a_mask_that_moved_to_another_image(pairs):
    one, two = pairs
    swapped = [one._replace(mask=two.mask), two._replace(mask=one.mask)]
    assert fingerprint(swapped) != fingerprint(pairs)
