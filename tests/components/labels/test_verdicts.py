import json

import pytest

from components.labels.verdicts import Verdict, content_hash, read_verdicts, record_verdicts
from data.errors import InputError


def test_a_newer_verdict_replaces_an_older_one(tmp_path):
    path = str(tmp_path / "labels" / "verdicts.json")
    assert read_verdicts(path) == {}
    record_verdicts(path, {"c1": "a", "c2": "b"}, "ok", "ada")
    record_verdicts(path, {"c2": "b"}, "mended", "bob")
    verdicts = read_verdicts(path)
    assert {content: (v.key, v.verdict, v.who) for content, v in verdicts.items()} == {
        "c1": ("a", "ok", "ada"),
        "c2": ("b", "mended", "bob"),
    }
    assert json.loads((tmp_path / "labels/verdicts.json").read_text())["c1"]["key"] == "a"
    assert Verdict.model_validate(verdicts["c1"]).when.endswith("+00:00")


def test_the_hash_depends_on_image_and_mask():
    pairs = [(b"a", b"bc"), (b"ab", b"c"), (b"a", b"b")]
    hashes = {content_hash(image, mask) for image, mask in pairs}
    assert len(hashes) == 3


@pytest.mark.parametrize("text", ["", "[]", '{"c1": {"key": "a", "verdict": "fine"}}'])
def test_a_damaged_file_is_one_line(tmp_path, text):
    (tmp_path / "verdicts.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_verdicts(str(tmp_path / "verdicts.json"))
    assert str(caught.value).startswith(f"{tmp_path}/verdicts.json: does not contain verdicts (")
    assert "\n" not in str(caught.value)
