import pytest

from tests.data.sources.folders import find_in, keys, refusal

LAYOUTS = {
    "split outside": "{split}/{kind}/x/{name}.png",
    "split inside": "{kind}/{split}/x/{name}.png",
}


def write_splits(write_files, root, layout, names):
    for split, name in names:
        for kind in ("images", "masks"):
            write_files(root, LAYOUTS[layout].format(split=split, kind=kind, name=name))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_split_folders(anywhere, write_files, layout):
    names = [("train", "1"), ("train", "2"), ("val", "1"), ("test", "3")]
    write_splits(write_files, anywhere, layout, names)
    found = find_in(anywhere, split_folders=True)
    assert not found.problems
    assert sorted((pair.key, pair.split) for pair in found.pairs) == [
        ("test/x/3", "test"),
        ("train/x/1", "train"),
        ("train/x/2", "train"),
        ("val/x/1", "val"),
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["valid", "validation", "Val"])
def test_split_folders_may_be_called_otherwise(tmp_path, write_files, layout, name):
    write_splits(write_files, tmp_path, layout, [("training", "1"), (name, "2")])
    assert keys(tmp_path, split_folders=True) == ["train/x/1", "val/x/2"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"images": ".", "mask_pattern": "*_m", "masks": "."}, ["train/1.png", "train/1_m.png"]),
        ({"images": "."}, ["train/1.png", "train/masks/1.png"]),
        ({"images": "a/b"}, ["train/a/b/1.png", "train/masks/1.png"]),
        (
            {"images": "both", "masks": "both", "mask_pattern": "*_m"},
            ["both/train/1.png", "both/train/1_m.png"],
        ),
    ],
)
def test_split_folders_with_other_names(tmp_path, write_files, options, names):
    write_files(tmp_path, *names)
    assert keys(tmp_path, split_folders=True, **options) == ["train/1"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["dev2", "train2017"])
def test_a_split_folder_of_unknown_name_is_refused(tmp_path, write_files, layout, name):
    write_splits(write_files, tmp_path, layout, [("train", "1"), (name, "2")])
    message = refusal(tmp_path, split_folders=True)
    assert message.startswith(f"{tmp_path}: the folder {name!r} is not a split.")
    assert "valid" in message


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_folders_of_one_split_are_refused(tmp_path, write_files, layout):
    write_splits(write_files, tmp_path, layout, [("val", "1"), ("valid", "2")])
    assert "is a second folder of val." in refusal(tmp_path, split_folders=True)


def test_both_layouts_at_once_are_refused(tmp_path, write_files):
    for layout in LAYOUTS:
        write_splits(write_files, tmp_path, layout, [("train", "1")])
    assert refusal(tmp_path, split_folders=True).startswith(
        f"{tmp_path}: found both <split>/images"
    )


def test_neither_layout_is_refused(tmp_path, write_files):
    write_files(tmp_path, "images/1.png", "masks/1.png")
    assert refusal(tmp_path, split_folders=True).startswith(f"{tmp_path}: found neither <split>/")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_split_without_masks_is_refused(tmp_path, write_files, layout):
    write_splits(write_files, tmp_path, layout, [("train", "1")])
    lonely = LAYOUTS[layout].format(split="test", kind="images", name="2")
    write_files(tmp_path, lonely)
    folder = lonely.replace("images", "masks").removesuffix("/x/2.png")
    assert refusal(tmp_path, split_folders=True).startswith(f"{tmp_path}/{folder}: no such folder")


def test_a_file_beside_the_split_folders_is_listed(tmp_path, write_files):
    write_splits(write_files, tmp_path, "split inside", [("train", "1")])
    write_files(tmp_path, "images/2.png", "masks/2.png")
    found = find_in(tmp_path, split_folders=True)
    assert sorted((problem.file, problem.kind) for problem in found.problems) == [
        (f"{tmp_path}/images/2.png", "unmatched"),
        (f"{tmp_path}/masks/2.png", "unmatched"),
    ]
