import json
import shutil

import pytest
from tfx.types import standard_artifacts

from components.evaluator.baseline import LatestOtherBlessedModel
from serving.graph import DESCRIPTION


@pytest.fixture
def model(tmp_path):
    """Makes a model artifact, with the file that names its classes."""

    def make(number, classes=("ground", "disc")):
        artifact = standard_artifacts.Model()
        artifact.id = number
        artifact.uri = str(tmp_path / str(number))
        description = tmp_path / str(number) / "Format-Serving" / DESCRIPTION
        description.parent.mkdir(parents=True, exist_ok=True)
        description.write_text(json.dumps({"classes": classes}))
        return artifact

    return make


def blessing(of, *, blessed=True):
    artifact = standard_artifacts.ModelBlessing()
    artifact.id = 100 + of
    artifact.set_int_custom_property("current_model_id", of)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


def resolve(candidate, models, blessings):
    given = {
        "candidate": [candidate],
        "model": models,
        "model_blessing": blessings,
    }
    resolved = LatestOtherBlessedModel().resolve_artifacts(None, given)
    assert resolved.keys() == given.keys()
    assert resolved["candidate"] == given["candidate"]
    return (
        [artifact.id for artifact in resolved["model"]],
        [artifact.id for artifact in resolved["model_blessing"]],
    )


@pytest.mark.parametrize(
    ("candidate", "blessings", "expected"),
    [
        (4, [blessing(1), blessing(3), blessing(2)], ([3], [103])),
        (4, [blessing(1), blessing(3, blessed=False)], ([1], [101])),
        (4, [blessing(4), blessing(2)], ([2], [102])),
        (4, [blessing(4)], ([], [])),
        (4, [], ([], [])),
        (4, [blessing(9)], ([], [])),
        (2, [blessing(4), blessing(2)], ([4], [104])),
    ],
    ids=[
        "the latest",
        "a refused one is no baseline",
        "never the candidate",
        "only the candidate was blessed",
        "the first run",
        "a blessed model that is gone",
        "the candidate is an older model",
    ],
)
def test_the_latest_other_blessed_model(model, candidate, blessings, expected):
    models = [model(2), model(1), model(4), model(3)]
    assert resolve(model(candidate), models, blessings) == expected


def test_a_model_of_other_classes_is_no_baseline(model):
    models = [model(1), model(2, classes=["ground", "ring"]), model(3)]
    assert resolve(models[2], models, [blessing(1), blessing(2)]) == ([1], [101])


def test_a_model_whose_files_are_gone_is_no_baseline(model, tmp_path):
    models = [model(1), model(2), model(3)]
    shutil.rmtree(tmp_path / "2")
    assert resolve(models[2], models, [blessing(1), blessing(2)]) == ([1], [101])
