import pytest

from data.errors import InputError
from serving.model.versions import newest_version, pushed_version, versions


def test_there_are_no_versions_where_there_is_no_folder(serving_folder):
    assert versions(serving_folder) == []


def push(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").touch()


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1"], "1"),
        (["9", "10", "2"], "10"),
        (["0999", "1000"], "1000"),
        ([30 * "0" + "4", "3"], 30 * "0" + "4"),
        (["3", "4-unfinished", "copy", ".5", "٤"], "3"),
        (["3", str(2**63), 200 * "9"], "3"),
    ],
    ids=["one", "by number, not by name", "zero", "30 zeros", "no number", "beyond 64 bits"],
)
def test_the_newest_version_is_the_greatest_number(tmp_path, versions, newest):
    push(tmp_path, *versions)
    assert newest_version(str(tmp_path)) == str(tmp_path / newest)


def test_an_unfinished_version_does_not_count(tmp_path):
    push(tmp_path, "3")
    (tmp_path / "4/variables").mkdir(parents=True)
    assert newest_version(str(tmp_path)) == str(tmp_path / "3")


def test_a_version_that_is_asked_for(tmp_path):
    push(tmp_path, "3", "0012")
    assert pushed_version(str(tmp_path), 12) == str(tmp_path / "0012")
    with pytest.raises(InputError, match=r"no version 4 there, only 3, 0012\."):
        pushed_version(str(tmp_path), 4)


@pytest.mark.parametrize("exists", [True, False], ids=["empty folder", "no folder"])
def test_without_a_model_the_next_command_is_told(tmp_path, exists):
    folder = tmp_path / "serving"
    if exists:
        folder.mkdir()
    with pytest.raises(InputError) as caught:
        newest_version(str(folder))
    assert str(caught.value).startswith(f"{folder}: ")
    assert "unetfx run" in str(caught.value)
