import functools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.config import DataConfig
from data.errors import InputError
from data.jobs.processes import in_this_process
from data.jobs.shuffle import run_job
from data.listing.kept_listing import update_listing
from data.sources import made_masks
from data.sources.annotations import drawn
from tests.data.sources.annotations.coco_files import annotation, image, square, write_coco


@pytest.fixture
def update(tmp_path):
    """Lists the pairs of a COCO file, as a run does, and returns the fingerprint."""

    def update(**changes):
        source = {"kind": "coco", "path": f"{tmp_path}/coco"}
        content = {"source": source, "classes": ["background", "cat", "red_dog"]}
        data = DataConfig.model_validate(content | changes)
        run = functools.partial(run_job, run_tasks=in_this_process)
        folder = f"{tmp_path}/listing"
        own = f"{tmp_path}/own"
        return update_listing(data, folder, run, name="cats", own_folder=own)

    return update


def write(tmp_path, *annotations):
    write_coco(tmp_path / "coco/annotations.json", [image(1), image(2)], annotations)


def folders(tmp_path):
    return sorted(path.name for path in (tmp_path / "own").iterdir() if path.is_dir())


def test_masks_are_drawn_once(tmp_path, update, monkeypatch):
    write(tmp_path, annotation())
    first = update()
    monkeypatch.setattr(drawn, "_write", pytest.fail)
    again = update()
    assert again.census.fingerprint == first.census.fingerprint
    assert len(folders(tmp_path)) == 1


def test_a_changed_object_is_news(tmp_path, update):
    write(tmp_path, annotation())
    first = update().census.fingerprint
    write(tmp_path, annotation(segmentation=[square(2, 1, 4)]))
    assert update().census.fingerprint != first


def inodes(listing):
    return {row.pair.key: Path(row.pair.mask).stat().st_ino for row in listing.pairs()}


def test_only_changed_masks_are_drawn_again(tmp_path, update):
    write(tmp_path, annotation(), annotation(image_id=2))
    first = inodes(update())
    write(tmp_path, annotation(segmentation=[square(2, 1, 4)]), annotation(id=9, image_id=2))
    second = inodes(update())
    assert second["1"] != first["1"]
    assert second["2"] == first["2"]
    # Another class, another size and other pixels outside all objects are other masks.
    write(
        tmp_path, annotation(segmentation=[square(2, 1, 4)]), annotation(image_id=2, category_id=7)
    )
    third = inodes(update())
    assert third["1"] == second["1"]
    assert third["2"] != second["2"]
    source = {"kind": "coco", "path": f"{tmp_path}/coco", "background": None}
    fourth = inodes(update(source=source))
    assert not {*fourth.values()} & {*third.values()}


def test_a_mask_that_could_not_be_drawn_is_drawn_when_it_can(tmp_path, update):
    write(tmp_path, annotation(segmentation=[[1, 2]]), annotation(image_id=2))
    first = update()
    assert (first.census.problems.count, [*inodes(first)]) == (1, ["2"])
    write(tmp_path, annotation(), annotation(image_id=2))
    assert sorted(inodes(update())) == ["1", "2"]


def test_a_change_of_no_pixel_is_no_news(tmp_path, update):
    write(tmp_path, annotation())
    first = update().census.fingerprint
    write(tmp_path, annotation(score=0.9))
    assert update().census.fingerprint == first


def test_a_copy_of_the_files_is_no_news(tmp_path, update):
    write(tmp_path, annotation(), annotation(image_id=9))
    first = update().census
    (tmp_path / "coco/annotations.json").touch()
    assert update().census.fingerprint == first.fingerprint
    assert len(folders(tmp_path)) == 1


def test_other_classes_draw_other_masks(tmp_path, update):
    write(tmp_path, annotation())
    update()
    listing = update(classes=["red_dog", "background", "cat"])
    mask = next(row.pair.mask for row in listing.pairs() if row.pair.key == "1")
    assert set(np.unique(np.asarray(Image.open(mask)))) == {1, 2}


def test_only_the_newest_two_contents_are_kept(tmp_path, update):
    for left in range(4):
        write(tmp_path, annotation(segmentation=[square(left, 1, 4)]))
        update()
        for age, name in enumerate(folders(tmp_path)):
            assert age < 2, name
    newest = max((tmp_path / "own").glob("*/"), key=lambda path: path.stat().st_mtime_ns)
    assert (newest / "pairs.jsonl").exists()


def test_many_images_are_drawn_in_several_processes(tmp_path, update, monkeypatch):
    monkeypatch.setattr(made_masks, "_FEW", 1)
    write(tmp_path, annotation(), annotation(image_id=2, category_id=7))
    masks = {row.pair.key: row.pair.mask for row in update().pairs()}
    values = {key: np.asarray(Image.open(mask)).max() for key, mask in masks.items()}
    assert values == {"1": 1, "2": 2}


def test_left_out_images_are_counted(tmp_path, update):
    write(tmp_path, annotation())
    source = {"kind": "coco", "path": f"{tmp_path}/coco", "unannotated": "leave_out"}
    (reason,) = (census := update(source=source).census).ignored
    assert reason == "left out, as it has no annotations (data.source.unannotated)."
    assert census.ignored[reason].where == (f"{tmp_path}/coco/2.png",)
    assert census.pairs.total() == 1


def test_nothing_is_left_when_the_masks_cannot_be_drawn(tmp_path, update):
    write(tmp_path, annotation())
    with pytest.raises(InputError, match="no class for the category"):
        update(classes=["background", "hat"])
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["hashes.json"]
