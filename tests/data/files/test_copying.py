import pytest

from data.errors import InputError
from data.files.copying import copy_file, copy_folder
from data.files.finding import list_files
from data.files.reading import read_bytes


@pytest.mark.parametrize("source_is_remote", [False, True])
@pytest.mark.parametrize("target_is_remote", [False, True])
def test_a_file_is_copied(tmp_path, remote_folder, write_file, source_is_remote, target_is_remote):
    folder = remote_folder if source_is_remote else tmp_path
    target = f"{remote_folder if target_is_remote else tmp_path}/new/y.bin"
    write_file(f"{folder}/x.bin", b"content")
    copy_file(f"{folder}/x.bin", target)
    assert read_bytes(target) == b"content"


def test_a_folder_is_copied(tree, tmp_path):
    for target in (f"{tree}/copy", str(tmp_path / "copy")):
        copy_folder(f"{tree}/a", target)
        assert list_files(target) == ["x.png", "y/z.txt"]
        assert read_bytes(f"{target}/y/z.txt") == b"a/y/z.txt"


def test_a_copy_of_a_missing_file_is_refused(anywhere):
    with pytest.raises(InputError, match=r"/x.bin: cannot be copied to .*/y.bin \(.*\)\.$"):
        copy_file(f"{anywhere}/x.bin", f"{anywhere}/y.bin")
