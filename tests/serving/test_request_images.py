import pytest

from data.errors import InputError
from serving.request_images import RequestImages

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_share_of_the_images_is_chosen(tmp_path):
    images = RequestImages(tmp_path, 0.25)
    content = [bytes([number % 256]) for number in range(4000)]
    chosen = images.choose(content)
    assert all(one in (None, image) for one, image in zip(chosen, content, strict=True))
    # The standard deviation is 27.
    assert 850 < sum(one is not None for one in chosen) < 1150


def test_the_oldest_images_are_removed_and_other_files_stay(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/mine.txt").write_bytes(bytes(9000))
    (tmp_path / "images/older.png").write_bytes(bytes(300))
    images = RequestImages(tmp_path, 1, folder_size=3200)
    names = [images.write(PNG + bytes(92)) for _ in range(40)]
    kept = {f"images/{path.name}" for path in (tmp_path / "images").iterdir()}
    assert "images/mine.txt" in kept
    kept.remove("images/mine.txt")
    assert kept == set(names[-len(kept) :])
    assert 25 <= len(kept) <= 32


def test_names_show_the_format_and_stay_in_the_folder(tmp_path):
    images = RequestImages(tmp_path, 1)
    names = [images.write(content) for content in (PNG, b"\xff\xd8\xff")]
    assert [name[-4:] for name in names] == [".png", ".jpg"]
    assert all((tmp_path / name).parent == tmp_path / "images" for name in names)


def test_a_slow_disk_does_not_fill_the_memory(tmp_path):
    images = RequestImages(tmp_path, 1)
    large = bytes(40 * 2**20)
    assert images.choose([large, large]) == [large, None]
    images.done(large)
    assert images.choose([large]) == [large]


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "images").write_text("")
    with pytest.raises(InputError, match="images"):
        RequestImages(tmp_path, 0.1)
