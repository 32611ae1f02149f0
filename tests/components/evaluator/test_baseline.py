import pytest
from tfx.types import standard_artifacts

from components.blessings import pushed_models
from components.evaluator.baseline import OtherBlessedModels


def model(number):
    artifact = standard_artifacts.Model()
    artifact.id = number
    return artifact


def blessing(of, *, blessed=True, later=0, who=None):
    artifact = standard_artifacts.ModelBlessing()
    artifact.id = 100 + of + later
    if who:
        artifact.set_string_custom_property("who", who)
    artifact.set_int_custom_property("current_model_id", of)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


def resolve(candidate, models, blessings):
    given = {
        "candidate": [candidate],
        "model": models,
        "model_blessing": blessings,
    }
    resolved = OtherBlessedModels().resolve_artifacts(None, given)
    assert resolved.keys() == given.keys()
    assert resolved["candidate"] == given["candidate"]
    return (
        [artifact.id for artifact in resolved["model"]],
        [artifact.id for artifact in resolved["model_blessing"]],
    )


@pytest.mark.parametrize(
    ("candidate", "blessings", "expected"),
    [
        (4, [blessing(1), blessing(3), blessing(2)], ([3, 2, 1], [103, 102, 101])),
        (4, [blessing(1), blessing(3, blessed=False)], ([1], [101])),
        (4, [blessing(4), blessing(2)], ([2], [102])),
        (4, [blessing(4)], ([], [])),
        (4, [], ([], [])),
        (4, [blessing(9)], ([], [])),
        (2, [blessing(4), blessing(2)], ([4], [104])),
        (4, [blessing(3), blessing(3, blessed=False, later=9)], ([3], [103])),
        (4, [blessing(3), blessing(3, blessed=False, later=9, who="ann")], ([], [])),
        (4, [blessing(3, later=9, who="ann"), blessing(3, blessed=False)], ([3], [112])),
        (4, [blessing(3, later=9), blessing(3, blessed=False, later=5, who="ann")], ([], [])),
    ],
    ids=[
        "newest first",
        "a refused one is no baseline",
        "never the candidate",
        "only the candidate was blessed",
        "the first run",
        "a blessed model that is gone",
        "the candidate is an older model",
        "refused later, by a stricter gate",
        "a person has withdrawn it",
        "a person has blessed it",
        "a person has withdrawn it, and the gate would not",
    ],
)
def test_the_other_blessed_models(candidate, blessings, expected):
    models = [model(2), model(1), model(4), model(3)]
    assert resolve(model(candidate), models, blessings) == expected


class TestWithoutAResolver:
    @pytest.fixture
    def serving_folder(self, tmp_path):
        """Versions that were pushed, one of which is not complete."""
        for version in ("9", "10", "11"):
            folder = tmp_path / "serving" / version
            folder.mkdir(parents=True)
            (folder / "saved_model.pb").touch()
            (folder / "fingerprint.pb").write_text(version)
        (tmp_path / "serving" / "12").mkdir()
        return tmp_path / "serving"

    def test_pushed_versions_are_listed_newest_first(self, serving_folder):
        found = list(pushed_models(str(serving_folder)))
        assert [model.id for model in found] == [11, 10, 9]
        assert found[0].uri == str(serving_folder / "11")

    def test_the_candidate_is_not_among_them(self, serving_folder, tmp_path):
        candidate = model(1)
        candidate.uri = str(tmp_path / "Trainer" / "model" / "1")
        exported = tmp_path / "Trainer" / "model" / "1" / "Format-Serving"
        exported.mkdir(parents=True)
        (exported / "fingerprint.pb").write_text("10")
        found = pushed_models(str(serving_folder), but=candidate)
        assert [model.id for model in found] == [11, 9]

    def test_nothing_was_pushed_yet(self, tmp_path):
        assert list(pushed_models(str(tmp_path / "nowhere"))) == []
