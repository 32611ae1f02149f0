import os

import pytest

from data.errors import InputError
from data.files.finding import list_folder
from data.files.removing import remove_file, remove_folder, remove_oldest


def test_files_and_folders_are_removed_if_they_exist(tree):
    for _ in range(2):
        remove_file(f"{tree}/b.png")
        remove_folder(f"{tree}/a")
    assert list_folder(tree) == []


def test_a_folder_is_not_removed_as_a_file(tmp_path):
    with pytest.raises(InputError, match=r": cannot be removed \(Is a directory\)\.$"):
        remove_file(str(tmp_path))


def test_the_oldest_files_are_removed_until_the_others_fit(tmp_path):
    for age, name in enumerate(("new.log", "middle.log", "old.log", "older.txt")):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (100 - age, 100 - age))
    remove_oldest(tmp_path, [".log"], 29)
    assert {path.name for path in tmp_path.iterdir()} == {"new.log", "middle.log", "older.txt"}
    remove_oldest(tmp_path, [".log"], 20)
    assert (tmp_path / "middle.log").exists()
