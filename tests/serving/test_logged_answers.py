import io
import re
from pathlib import Path

import pytest

from data.errors import InputError
from data.examples.features import IMAGE_STATISTICS
from serving.logged_answers import read_answers
from serving.request_log import answer

CLASSES = ["red", "blue"]


def line(number=0, classes=("red", "blue")):
    shares = dict.fromkeys(classes, 0.5)
    return answer({"image/std": number}, shares, 0.5, 7).model_dump_json() + "\n"


def numbers(*paths):
    found = read_answers([str(path) for path in paths], CLASSES)
    return [int(one.statistics["image/std"]) for one in found]


def test_files_and_folders_are_read(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "a.jsonl").write_text(line(1) + line(2))
    (tmp_path / "log" / "b.jsonl").write_text(line(3))
    (tmp_path / "log" / "note.txt").write_text("no log")
    (tmp_path / "c").write_text(line(4))
    assert numbers(tmp_path / "log", tmp_path / "c") == [1, 2, 3, 4]


def test_a_line_that_is_still_being_written_is_skipped(tmp_path):
    (tmp_path / "a.jsonl").write_text(line(1) + line(2)[:20])
    assert numbers(tmp_path) == [1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello\n", r"a\.jsonl, line 1: not a log of unetfx"),
        ('{"log": "other"}\n', "line 1: not a log of unetfx"),
        ("\x1b[2J\n", "line 1: not a log of unetfx"),
        (line() + "garbage\n" + line(), "line 2: not a log of unetfx"),
        (line(classes=("cat", "dog")), "line 1: has the classes cat, dog, expected red, blue"),
    ],
    ids=["text", "another log", "a control character", "a damaged line", "other classes"],
)
def test_a_file_that_is_no_log_of_this_model_is_bad_input(tmp_path, content, message):
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        numbers(tmp_path)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"image/std":0.0', '"image/std":NaN', "statistics.image/std"),
        ('"image/std":0.0', '"image/std":1e300', "statistics.image/std"),
        ('"blue":0.5', '"blue":Infinity', "classes.blue"),
        (r'"time":"[^"]*"', '"time":"0001-01-01T00:00:00+14:00"', "time"),
        (r'"time":"[^"]*"', '"time":"9999-12-31T23:00:00-14:00"', "time"),
    ],
)
def test_a_number_or_a_time_that_cannot_be_compared_is_bad_input(tmp_path, old, new, place):
    changed = re.sub(old, new, line())
    assert new in changed
    (tmp_path / "a.jsonl").write_text(line() + changed + line())
    with pytest.raises(InputError, match=rf"a\.jsonl, line 2: not a log of unetfx \({place}: "):
        numbers(tmp_path)


def test_a_missing_path_and_an_empty_folder_are_bad_input(tmp_path):
    with pytest.raises(InputError, match="contains no log"):
        numbers(tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        numbers(tmp_path / "nowhere")


def test_the_client_in_the_documentation_writes_a_log(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    (code,) = re.findall(r"```python\n(import datetime.*?)```", page, re.DOTALL)
    client = {}
    exec(code, client)
    client["CLASSES"] = CLASSES
    row = {"class_fraction": [0.25, 0.75], "confidence": 0.5, "image_statistics": list(range(9))}
    file = io.StringIO()
    client["log_answers"]([row], file)
    (tmp_path / "a.jsonl").write_text(file.getvalue())
    (one,) = read_answers([str(tmp_path)], CLASSES)
    assert one.statistics == dict(zip(IMAGE_STATISTICS, range(9), strict=True))
    assert (one.classes, one.version) == ({"red": 0.25, "blue": 0.75}, None)
