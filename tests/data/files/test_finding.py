import os

import pytest

from data.errors import InputError
from data.files.finding import find_files, is_file, is_folder, list_files, list_folder, list_folders


def test_files_and_folders_are_distinguished(tree):
    assert is_file(f"{tree}/a/x.png")
    assert not is_file(f"{tree}/a")
    assert not is_file(f"{tree}/nowhere.png")
    assert is_folder(f"{tree}/a/y")
    assert not is_folder(f"{tree}/b.png")
    assert not is_folder(f"{tree}/nowhere")


def test_listings_are_sorted_and_without_litter(tree):
    assert list_folder(tree) == ["a", "b.png"]
    assert list_folders(tree) == ["a"]
    assert list_files(tree) == ["a/x.png", "a/y/z.txt", "b.png"]


def test_files_are_found_by_a_pattern(tree):
    assert find_files(f"{tree}/a/*.png") == [f"{tree}/a/x.png"]
    assert find_files(f"{tree}/*/?/*.txt") == [f"{tree}/a/y/z.txt"]
    assert find_files(f"{tree}/*.tif") == []


def test_links_to_folders_are_followed(tmp_path, write_files):
    write_files(str(tmp_path), "elsewhere/x/1.png", "here/2.png")
    (tmp_path / "here/link").symlink_to(tmp_path / "elsewhere")
    assert list_files(f"{tmp_path}/here") == ["2.png", "link/x/1.png"]


def test_a_broken_link_is_listed(tmp_path):
    (tmp_path / "1.png").symlink_to(tmp_path / "gone.png")
    assert list_files(str(tmp_path)) == ["1.png"]


def test_a_link_into_a_circle_is_refused(tmp_path, write_files):
    write_files(str(tmp_path), "a/b/1.png")
    (tmp_path / "a/b/back").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match=r"/a/b/back: a link to a folder that contains it"):
        list_files(str(tmp_path))


def test_a_link_to_the_folder_it_lies_in_is_refused(tmp_path, write_files):
    write_files(str(tmp_path), "a/1.png")
    (tmp_path / "a/here").symlink_to("../a")
    with pytest.raises(InputError, match=r"/a/here: a link to a folder that contains it"):
        list_files(str(tmp_path / "a"))


def test_links_that_lead_to_each_other_are_refused(tmp_path, write_files):
    write_files(str(tmp_path), "a/1.png", "b/2.png")
    (tmp_path / "a/b").symlink_to("../b")
    (tmp_path / "b/a").symlink_to("../a")
    with pytest.raises(InputError, match=r"/[ab]/[ab]/[ab]: a link to a folder that contains it"):
        list_files(str(tmp_path))


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(InputError, match=r"/loop\.png: cannot be read \(Too many levels"):
        list_files(str(tmp_path))


@pytest.mark.parametrize("exists", [is_file, is_folder])
def test_a_name_that_no_file_can_have_is_one_line(tmp_path, exists):
    with pytest.raises(InputError, match=r"aaa: cannot be read \(File name too long\)"):
        exists(f"{tmp_path}/{300 * 'a'}")


def test_a_name_that_is_no_text_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"gr\xfcn.png")).touch()
    with pytest.raises(InputError, match=r"the name 'gr\\udcfcn.png' is not in UTF-8"):
        list_files(str(tmp_path))
