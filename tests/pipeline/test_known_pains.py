"""Problems that users of other segmentation tools reported, reproduced with `unetfx check`.

The name of a case contains the issue of the other tool.
"""

import json
import re

import numpy as np
import pytest
import yaml
from PIL import ExifTags, Image

from pipeline.commands.check import run_check

HEIGHT, WIDTH, MARGIN = 37, 53, 10
SMALLEST_DISC = 9 * 20 / (HEIGHT * WIDTH)
LARGEST_DISC = 15 * 24 / (HEIGHT * (WIDTH - MARGIN))
COLOURS = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)


def picture(number):
    return np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def class_ids(number):
    """A mask with a rectangle in the upper left corner, which varies in size."""
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[: 9 + number % 7, : 20 + number % 5] = 1
    return ids


def save(folder, kind, number, pixels, suffix="png", **options):
    """Writes an image or a mask, and removes the one with the same number."""
    for older in (folder / kind).glob(f"{number:02d}.*"):
        older.unlink()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(folder / kind / f"{number:02d}.{suffix}", **options)


@pytest.fixture
def folder(tmp_path):
    """Thirty good pairs."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for number in range(30):
        save(tmp_path / "data", "images", number, picture(number))
        save(tmp_path / "data", "masks", number, class_ids(number))
    return tmp_path / "data"


def check(folder, **changes):
    """Returns whether a run would accept the data, the findings by kind, and the splits."""
    data = {"source": {"kind": "folder", "path": str(folder)}, "classes": ["ground", "disc"]}
    data["splits"] = {"train": 2, "val": 1, "test": 1}
    settings = {"name": "pains", "workspace": str(folder.parent / "runs"), "data": data | changes}
    file = folder.parent / "config.yaml"
    file.write_text(yaml.safe_dump(settings | {"gate": {"mean_iou": 0.5}}))
    code = run_check(file)
    report = json.loads((folder.parent / "runs/pains/check/check.json").read_text())
    assert code == (0 if report["accepted"] else 2)
    return report["accepted"], {f["kind"]: f for f in report["findings"]}, report["splits"]


def map_all(to_values):
    def write(folder):
        for number in range(30):
            save(folder, "masks", number, to_values(class_ids(number)))

    return write


def resize_bilinearly(folder):
    half = Image.fromarray(class_ids(5) * 255).resize((WIDTH // 2, HEIGHT // 2))
    save(folder, "masks", 5, half.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))


def convert_through_jpeg(folder):
    save(folder, "masks", 5, class_ids(5) * 255, "jpg")
    with Image.open(folder / "masks/05.jpg") as image:
        save(folder, "masks", 5, image.copy())


def remove_partners(folder):
    # As many images as masks remain, so pairing two sorted lists would mix up the masks.
    (folder / "masks/05.png").unlink()
    (folder / "images/20.png").unlink()


def rotate_by_exif(folder, mask):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    save(folder, "images", 5, picture(5), "jpg", exif=exif)
    save(folder, "masks", 5, mask)


def copy_into_all_splits(folder):
    for number in range(15):  # with other names and in another format
        save(folder, "images", number, picture(20), "bmp")


BINARY = {"mask_values": {0: "ground", 255: "disc"}}
REFUSED = {
    "1 resized bilinearly (tf/docs#2159)": (
        lambda folder: (map_all(lambda ids: ids * 255)(folder), resize_bilinearly(folder)),
        BINARY,
        "value_without_class",
        "masks/05.png: no class for .*resized with interpolation, export them again with nearest",
    ),
    "2 0/255 (mmseg#1609)": (
        map_all(lambda ids: ids * 255),
        {"ignore_value": None},
        "value_without_class",
        "this is a 0/255 mask",
    ),
    "2 0/255 where 255 is ignored (nnUNet#1777)": (
        map_all(lambda ids: ids * 255),
        {},
        "looks_binary",
        "only ground would be learnt",
    ),
    "3 a JPEG (nnUNet#2404)": (
        lambda folder: save(folder, "masks", 5, class_ids(5), "jpg"),
        {},
        "jpeg_mask",
        "masks/05.jpg: a JPEG mask, whose compression changes the values",
    ),
    "3 a PNG that was a JPEG (nnUNet#2404)": (
        lambda folder: (map_all(lambda ids: ids * 255)(folder), convert_through_jpeg(folder)),
        BINARY,
        "value_without_class",
        "masks/05.png: no class for .*export them again",
    ),
    "3 gaps (nnUNet#2500)": (map_all(lambda ids: ids * 3), {}, "value_without_class", "value 3"),
    "3 ids from 1 (mmseg#2245)": (
        map_all(lambda ids: ids + np.uint8(1)),
        {},
        "value_without_class",
        "value 2",
    ),
    "4 a label out of range (mmseg#3124)": (
        lambda folder: save(folder, "masks", 5, class_ids(5) * 7),
        {},
        "value_without_class",
        "masks/05.png: no class for the pixel value 7",
    ),
    "5 nothing but ignored pixels (torchmetrics#2747)": (
        lambda folder: save(folder, "masks", 5, np.full((HEIGHT, WIDTH), 255, np.uint8)),
        {},
        "all_ignored",
        "masks/05.png: all pixels are ignored",
    ),
    "6 pairs by position in a listing": (
        remove_partners,
        {},
        "unpaired",
        "20.png: no image of that name",
    ),
    "6 RGB without a colour table (mmseg#1652)": (
        map_all(lambda ids: COLOURS[ids]),
        {},
        "value_without_class",
        "Colours, not class ids",
    ),
    "6 a mask from before the EXIF rotation": (
        lambda folder: rotate_by_exif(folder, class_ids(5)),
        {},
        "size_mismatch",
        "masks/05.png: the mask has the size of the image before its EXIF rotation",
    ),
    "10 one image in several splits (nnUNet#1871)": (
        copy_into_all_splits,
        {},
        "duplicate_across_splits",
        r"00 \(.*the same image in several splits",
    ),
}


@pytest.mark.parametrize(("write", "data", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_the_data_are_refused_and_accepted_with_the_suggested_lines(
    folder, write, data, kind, message
):
    write(folder)
    accepted, findings, _ = check(folder, **data)
    assert not accepted
    finding = findings[kind]
    line = f"{', '.join(finding['where'])}: {finding['text']}"
    assert re.search(message, line), line
    if suggestion := re.search(r"write, under data: (.*)", finding["text"]):
        lines = suggestion[1].replace(" and: ", "\n")
        assert check(folder, **data | yaml.safe_load(lines))[0]


def ignore_a_margin(ids):
    ids[:, -MARGIN:] = 255
    return ids


def as_palette(ids):
    image = Image.fromarray(ids, mode="P")
    image.putpalette(COLOURS.ravel().tolist())
    return image


READ = {
    "5 ignored pixels (segmentation_models#345)": (map_all(ignore_a_margin), {}),
    "5 0 is unlabelled": (
        map_all(lambda ids: ignore_a_margin(ids) + np.uint8(1)),
        {"mask_values": {1: "ground", 2: "disc"}, "ignore_value": 0},
    ),
    "6 RGB masks (mmseg#1652)": (
        map_all(lambda ids: COLOURS[ids]),
        {"mask_values": {"#ff0000": "ground", "#0000ff": "disc"}},
    ),
    "6 palette masks (mmseg#1668)": (map_all(as_palette), {}),
    "6 16-bit masks": (
        map_all(lambda ids: ids * np.uint16(1000)),
        {"mask_values": {0: "ground", 1000: "disc"}},
    ),
    "6 TIFF": (
        lambda folder: (
            save(folder, "images", 5, picture(5), "tif", compression="tiff_lzw"),
            save(folder, "masks", 5, class_ids(5), "tiff"),
        ),
        {},
    ),
    "6 16-bit images": (
        lambda folder: save(folder, "images", 5, picture(5)[..., 0].astype(np.uint16) * 257),
        {},
    ),
    "6 RGBA": (
        lambda folder: save(folder, "images", 5, Image.fromarray(picture(5)).convert("RGBA")),
        {},
    ),
    "6 an EXIF rotation, and a mask after the rotation": (
        lambda folder: rotate_by_exif(folder, np.rot90(class_ids(5), -1)),
        {},
    ),
    "7 sizes not divisible by 32 (smp#165)": (lambda folder: None, {}),
}


@pytest.mark.parametrize(("write", "data"), READ.values(), ids=READ)
def test_the_data_are_accepted(folder, write, data):
    write(folder)
    accepted, findings, splits = check(folder, **data)
    assert accepted, findings
    assert sum(split["pairs"] for split in splits) == 30
    for split in splits:
        assert SMALLEST_DISC < split["shares"]["disc"] < LARGEST_DISC
