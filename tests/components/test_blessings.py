import pytest
from tfx.types import standard_artifacts

from components.blessings import pushed_models, short_name


@pytest.fixture
def serving_folder(tmp_path):
    """Three pushed versions, and one whose push is not complete."""
    for version in ("9", "10", "11"):
        folder = tmp_path / "serving" / version
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()
        (folder / "fingerprint.pb").write_text(version)
    (tmp_path / "serving" / "12").mkdir()
    return tmp_path / "serving"


def test_pushed_versions_are_listed_newest_first(serving_folder):
    models = list(pushed_models(str(serving_folder)))
    assert [model.id for model in models] == [11, 10, 9]
    assert models[0].uri == str(serving_folder / "11")


def test_the_candidate_is_excluded_from_the_pushed_models(serving_folder, tmp_path):
    candidate = standard_artifacts.Model()
    candidate.id = 1
    candidate.uri = str(tmp_path / "Trainer" / "model" / "1")
    exported = tmp_path / "Trainer" / "model" / "1" / "Format-Serving"
    exported.mkdir(parents=True)
    (exported / "fingerprint.pb").write_text("10")
    models = pushed_models(str(serving_folder), exclude=candidate)
    assert [model.id for model in models] == [11, 9]


def test_without_a_serving_folder_no_model_was_pushed(tmp_path):
    assert list(pushed_models(str(tmp_path / "nowhere"))) == []


def test_the_short_name_is_the_end_of_the_path():
    assert short_name("/runs/discs/artifacts/Trainer/model/5/") == "Trainer/model/5"
