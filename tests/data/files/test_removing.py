import pytest

from data.errors import InputError
from data.files.finding import list_folder
from data.files.removing import remove_file, remove_folder


def test_files_and_folders_are_removed_if_they_exist(tree):
    for _ in range(2):
        remove_file(f"{tree}/b.png")
        remove_folder(f"{tree}/a")
    assert list_folder(tree) == []


def test_a_folder_is_not_removed_as_a_file(tmp_path):
    with pytest.raises(InputError, match=r": cannot be removed \(Is a directory\)\.$"):
        remove_file(str(tmp_path))
