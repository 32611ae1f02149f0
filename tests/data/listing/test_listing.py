import functools
from pathlib import Path

import pytest

from data.config import DataConfig
from data.errors import InputError
from data.jobs.processes import in_processes, in_this_process
from data.jobs.shuffle import run_job
from data.listing.listing import list_pairs
from data.sources import folder

HERE = functools.partial(run_job, run_tasks=in_this_process)
IN_PROCESSES = functools.partial(run_job, run_tasks=in_processes)


@pytest.fixture
def config(anywhere, write_files):
    """Writes 30 pairs in nested folders, an image without a mask, and a text file."""
    keys = [*(f"p{n % 7}/{n}" for n in range(20)), *map(str, range(10))]
    write_files(anywhere, *(f"{kind}/{key}.png" for kind in ("images", "masks") for key in keys))
    write_files(anywhere, "images/p1/lonely.png", "masks/notes.txt")
    return DataConfig(source={"kind": "folder", "path": anywhere}, classes=["a", "b"])


def list_in(config, target, run_job=HERE):
    return list_pairs(config, str(target), run_job, name="cells", own_folder="", hashed=True)


@pytest.mark.parametrize("limits", [{"_MOST_PARTS": 2}, {"_MOST_SUB_FOLDERS": 3}])
def test_the_listing_does_not_depend_on_the_parts(config, tmp_path, monkeypatch, limits):
    one = list_in(config, tmp_path / "one")
    for name, limit in limits.items():
        monkeypatch.setattr(folder, name, limit)
    two = list_in(config, tmp_path / "two")
    assert one.census == two.census
    assert list(one.pairs()) == list(two.pairs())
    assert one.census.pairs.total() == 30
    assert one.census.problems.count == 2


def test_a_folder_is_divided_by_its_sub_folders(config):
    parts = folder.parts(config.source)
    starts = [part.content.starts for part in parts if part.content.folder.endswith("images")]
    assert sorted(starts) == [("",), *((f"p{number}",) for number in range(7))]


def test_processes_list_the_same(config, tmp_path):
    if "://" in config.source.path:
        pytest.skip("other processes do not see TensorFlow's in-memory file system")
    here = list_in(config, tmp_path / "one")
    elsewhere = list_in(config, tmp_path / "two", IN_PROCESSES)
    assert here.census == elsewhere.census
    assert list(here.pairs()) == list(elsewhere.pairs())


def test_pairs_are_in_the_order_of_hashes_and_found_by_key(config, tmp_path):
    listing = list_in(config, tmp_path)
    hashes = [row.key_hash for row in listing.pairs()]
    assert hashes == sorted(hashes)
    found = listing.pairs_of(["p3/3", "9", "nowhere", "p1/lonely"])
    assert sorted(found) == ["9", "p3/3"]
    assert found["p3/3"].mask.endswith("masks/p3/3.png")


def test_nothing_but_the_list_is_left(config, tmp_path):
    list_in(config, tmp_path)
    names = {path.name for path in Path(tmp_path).rglob("*") if path.is_file()}
    assert {name[:6] for name in names if name.endswith(".gz")} == {"pairs-"}
    assert not list(tmp_path.glob("rows-*"))


def test_files_are_left_out_by_patterns_and_counted(anywhere, write_files, tmp_path):
    write_files(anywhere, "images/1.png", "masks/1.png", "masks/1_color.png", "masks/p/2_color.png")
    write_files(anywhere, "masks/notes.md")
    source = {"kind": "folder", "path": anywhere, "ignore": ["*_color.png", "*.m?"]}
    census = list_in(DataConfig(source=source, classes=["a", "b"]), tmp_path).census
    assert (census.pairs.total(), census.problems.count) == (1, 0)
    ((reason, examples),) = census.ignored.items()
    assert reason == "left out by data.source.ignore."
    names = [path.removeprefix(f"{anywhere}/masks/") for path in examples.where]
    assert names == ["1_color.png", "notes.md", "p/2_color.png"]


@pytest.mark.parametrize(("pattern", "problems"), [("*_labelTrainIds.png", 1), ("*.png", 5)])
def test_files_of_annotation_tools_are_no_problems_beside_a_pattern(
    anywhere, write_files, tmp_path, pattern, problems
):
    ends = ["labelTrainIds.png", "color.png", "instanceIds.png", "polygons.json", "strange.png"]
    write_files(anywhere, "images/1.jpg", *(f"masks/1_{end}" for end in ends))
    source = {"kind": "folder", "path": anywhere, "mask_pattern": pattern}
    census = list_in(DataConfig(source=source, classes=["a", "b"]), tmp_path).census
    assert census.problems.count == problems
    if problems == 1:
        ((reason, examples),) = census.ignored.items()
        assert reason == "left out, as annotation tools write it."
        assert examples.count == 3


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("~/cells", "Only a shell replaces ~ and $HOME. Write the whole path."),
        ("${HOME}/cells", "Only a shell replaces ~ and $HOME. Write the whole path."),
        (
            r"C:\cells",
            "The path has the letter of a drive. Write it relative to the current folder.",
        ),
        (r"data\cells", "Write / instead of \\ in the path."),
        ("cells", "Check data.source in the config."),
    ],
)
def test_a_path_that_no_folder_here_has_says_what_to_write(tmp_path, monkeypatch, path, advice):
    monkeypatch.chdir(tmp_path)
    source = {"kind": "folder", "path": path}
    with pytest.raises(InputError) as caught:
        list_in(DataConfig(source=source, classes=["a", "b"]), tmp_path / "list")
    assert str(caught.value) == f"{path}/images: no such folder. {advice}"
