from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.config import DataConfig
from data.config.sources import FolderSource
from data.errors import InputError
from data.sources import mask_parts
from tests.data.finding import find_raw

CLASSES = ["ground", "cell", "red_cell"]


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def write_image(path, size=(2, 3)):
    write(path, np.zeros((*size, 3)))


def find(root, classes=CLASSES, **options):
    content = {"kind": "folder", "path": str(root), "mask_pattern": "*_{class}"} | options
    data = DataConfig.model_validate({"source": content, "classes": classes})
    return find_raw(data.source, own_folder=f"{root}/.own", classes=classes)


def masks(root, **options):
    found = find(root, **options)
    assert found.problems == []
    return {pair.key: np.asarray(Image.open(pair.mask)).tolist() for pair in found.pairs}


def problems(root, **options):
    found = find(root, **options).problems
    return [(each.file.removeprefix(f"{root}/"), each.kind) for each in found]


def test_a_file_for_each_class(tmp_path):
    write_image(tmp_path / "images/a/1.png")
    write(tmp_path / "masks/a/1_cell.png", [[255, 255, 0], [0, 0, 0]])
    write(tmp_path / "masks/a/1_red_cell.png", [[0, 1, 1], [0, 0, 0]])
    assert masks(tmp_path) == {"a/1": [[1, 2, 2], [0, 0, 0]]}


def test_a_later_class_is_on_top(tmp_path):
    write_image(tmp_path / "images/1.png")
    for name in ("cell", "red_cell", "ground"):
        write(tmp_path / f"masks/1_{name}.png", [[1, 1, 0], [0, 0, 0]])
    assert masks(tmp_path)["1"][0] == [2, 2, 0]
    assert masks(tmp_path, classes=["ground", "red_cell", "cell"])["1"][0] == [2, 2, 0]
    assert masks(tmp_path, classes=["cell", "red_cell", "ground"])["1"][0] == [2, 2, 0]


def test_images_and_masks_in_one_folder(tmp_path):
    write_image(tmp_path / "1.png")
    write(tmp_path / "1_cell.png", [[1, 0, 0], [0, 0, 0]])
    assert masks(tmp_path, images=".", masks=".") == {"1": [[1, 0, 0], [0, 0, 0]]}


def test_a_folder_for_each_class(tmp_path):
    write_image(tmp_path / "images/1.png")
    write(tmp_path / "masks/cell/1.png", [[1, 0, 0], [0, 0, 0]])
    write(tmp_path / "masks/red_cell/1.png", [[0, 1, 0], [0, 0, 0]])
    assert masks(tmp_path, mask_pattern="{class}/*") == {"1": [[1, 2, 0], [0, 0, 0]]}


def test_objects_as_in_the_data_science_bowl(tmp_path):
    for name in ("aa", "bb"):
        write_image(tmp_path / name / f"images/{name}.png")
        write(tmp_path / name / "masks/01.png", [[255, 0, 0], [0, 0, 0]])
        write(tmp_path / name / "masks/02.png", [[0, 0, 255], [0, 0, 0]])
    options = {"images": ".", "masks": ".", "classes": ["ground", "nucleus"]}
    patterns = {"image_pattern": "*/images/{name}", "mask_pattern": "*/masks/{name}"}
    mask = [[1, 0, 1], [0, 0, 0]]
    assert masks(tmp_path, **options, **patterns) == {"aa": mask, "bb": mask}
    write_image(tmp_path / "aa/images/other.png")
    assert {kind for _, kind in problems(tmp_path, **options, **patterns)} == {"same_name"}


def test_objects_in_a_folder_of_each_image(tmp_path):
    write_image(tmp_path / "images/1.png")
    for number in range(3):
        write(tmp_path / f"masks/1/{number}.png", np.eye(2, 3, number))
    mask = [[1, 1, 1], [0, 1, 1]]
    options = {"mask_pattern": "*/{name}", "classes": ["ground", "cell"]}
    assert masks(tmp_path, **options) == {"1": mask}


def test_objects_of_several_classes(tmp_path):
    write_image(tmp_path / "images/1.png")
    write(tmp_path / "masks/1_cell_0.png", [[1, 0, 0], [0, 0, 0]])
    write(tmp_path / "masks/1_red_cell_1.png", [[0, 1, 0], [0, 0, 0]])
    assert masks(tmp_path, mask_pattern="*_{class}_{name}")["1"][0] == [1, 2, 0]


@pytest.mark.parametrize("layout", ["{split}/{kind}/{file}", "{kind}/{split}/{file}"])
def test_split_folders(tmp_path, layout):
    for split in ("train", "test"):
        write_image(tmp_path / layout.format(split=split, kind="images", file="1.png"))
        write(
            tmp_path / layout.format(split=split, kind="masks", file="1_cell.png"), [[0, 1, 0]] * 2
        )
    found = find(tmp_path, split_folders=True)
    assert {(pair.key, pair.split) for pair in found.pairs} == {
        ("train/1", "train"),
        ("test/1", "test"),
    }


def test_split_lists(tmp_path):
    for number in (1, 2):
        write_image(tmp_path / f"images/{number}.png")
        write(tmp_path / f"masks/{number}_cell.png", [[0, 1, 0]] * 2)
    (tmp_path / "train.txt").write_text("1\n")
    found = find(tmp_path, split_lists={"train": "train.txt"})
    assert [(pair.key, pair.split) for pair in found.pairs] == [("1", "train")]
    assert found.unused == ["2"]


def test_files_of_other_sizes_are_one_bad_pair(tmp_path):
    for number in (1, 2):
        write_image(tmp_path / f"images/{number}.png")
        write(tmp_path / f"masks/{number}_cell.png", np.eye(2, 3))
        write(tmp_path / f"masks/{number}_red_cell.png", np.eye(number + 1, 3))
    (tmp_path / "images/3.png").write_bytes((tmp_path / "images/1.png").read_bytes())
    (tmp_path / "masks/3_cell.png").write_text("not an image")
    found = find(tmp_path)
    assert [pair.key for pair in found.pairs] == ["1"]
    texts = [str(each).removeprefix(f"{tmp_path}/") for each in found.problems]
    assert texts[0] == (
        "masks/2_red_cell.png: 3×3 pixels, but another mask file of its image has 3×2. Export all "
        "at the image's size."
    )
    assert texts[1].startswith("masks/3_cell.png: ")
    assert len(texts) == 2


def test_files_that_belong_to_no_image_or_class_are_reported(tmp_path):
    for number in (1, 2):
        write_image(tmp_path / f"images/{number}.png")
    write(tmp_path / "masks/1_cell.png", np.eye(2, 3))
    write(tmp_path / "masks/1_tree.png", np.eye(2, 3))
    write(tmp_path / "masks/3_cell.png", np.eye(2, 3))
    assert problems(tmp_path) == [
        ("images/2.png", "unpaired"),
        ("masks/1_tree.png", "unmatched"),
        ("masks/3_cell.png", "unpaired"),
    ]


def test_without_any_files_the_pattern_is_named(tmp_path):
    write_image(tmp_path / "images/1.png")
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match=r"no masks found.*'\*_\{class\}', with the classes"):
        find(tmp_path)


def test_masks_are_joined_once(tmp_path, monkeypatch):
    write_image(tmp_path / "images/1.png")
    write(tmp_path / "masks/1_cell.png", np.eye(2, 3))
    first = masks(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(mask_parts, "_write", pytest.fail)
        assert masks(tmp_path) == first
    write(tmp_path / "masks/1_cell.png", np.eye(2, 3, 1))
    assert masks(tmp_path) != first


def test_only_changed_masks_are_joined_again(tmp_path):
    for number in (1, 2):
        write_image(tmp_path / f"images/{number}.png")
        write(tmp_path / f"masks/{number}_cell.png", np.eye(2, 3, number - 1))
    inodes = [
        {pair.key: Path(pair.mask).stat().st_ino for pair in find(tmp_path, classes=names).pairs}
        for names in (CLASSES, [*CLASSES, "new"])
    ]
    assert inodes[0] == inodes[1]
    write(tmp_path / "masks/1_cell.png", np.ones((2, 3)))
    changed = {pair.key: Path(pair.mask).stat().st_ino for pair in find(tmp_path).pairs}
    assert changed["2"] == inodes[0]["2"]
    assert changed["1"] != inodes[0]["1"]
    # The same file is another mask if its class has another number.
    other = masks(tmp_path, classes=["red_cell", "ground", "cell"])
    assert other["2"] == [[0, 2, 0], [0, 0, 2]]


def test_spans_have_masks_of_their_own(tmp_path):
    for span in range(1, 5):
        source = FolderSource(kind="folder", path=f"{tmp_path}/{span}", mask_pattern="*_{class}")
        write_image(tmp_path / f"{span}/images/1.png")
        write(tmp_path / f"{span}/masks/1_cell.png", np.eye(2, 3, span % 3))
        find_raw(source, own_folder=f"{tmp_path}/own", classes=CLASSES)
    assert len(list((tmp_path / "own").glob("*/*/masks.jsonl"))) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask_pattern": "*_{klass}"}, r"\{klass\} is not known here. Known are \* and \{class\}"),
        ({"image_pattern": "*_{class}"}, r"\{class\} is not known here"),
        ({"mask_pattern": "*{class}"}, "put a text such as _ between two placeholders"),
        ({"mask_pattern": "{name}_*_{name}"}, "a placeholder occurs twice"),
        ({"mask_pattern": "*/{name}"}, "need two classes, the background and the objects, found 3"),
        ({"mask_pattern": "{class}"}, "pattern"),
    ],
)
def test_impossible_patterns_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        find(tmp_path, **changes)


def test_mask_values_are_refused(tmp_path):
    source = {"kind": "folder", "path": str(tmp_path), "mask_pattern": "*_{class}"}
    with pytest.raises(ValueError, match="this source makes the masks"):
        DataConfig(source=source, classes=CLASSES, mask_values={0: "cell"})
