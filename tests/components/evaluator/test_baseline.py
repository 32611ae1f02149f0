import pytest
from tfx.types import standard_artifacts

from components.evaluator.baseline import LatestOtherBlessedModel


def model(number):
    artifact = standard_artifacts.Model()
    artifact.id = number
    return artifact


def blessing(of, *, blessed=True):
    artifact = standard_artifacts.ModelBlessing()
    artifact.id = 100 + of
    artifact.set_int_custom_property("current_model_id", of)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


def resolve(candidate, models, blessings):
    given = {
        "candidate": [candidate] if candidate else [],
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


MODELS = [model(2), model(1), model(4), model(3)]


@pytest.mark.parametrize(
    ("candidate", "blessings", "expected"),
    [
        (4, [blessing(1), blessing(3), blessing(2)], ([3], [103])),
        (4, [blessing(1), blessing(3, blessed=False)], ([1], [101])),
        (4, [blessing(4), blessing(2)], ([2], [102])),
        (4, [blessing(4)], ([], [])),
        (4, [], ([], [])),
        (4, [blessing(9)], ([], [])),
        (None, [blessing(2)], ([2], [102])),
        (2, [blessing(4), blessing(2)], ([4], [104])),
    ],
    ids=[
        "the latest",
        "a refused one is no baseline",
        "never the candidate",
        "only the candidate was blessed",
        "the first run",
        "a blessed model that is gone",
        "no candidate",
        "the candidate is an older model",
    ],
)
def test_the_latest_other_blessed_model(candidate, blessings, expected):
    assert resolve(model(candidate) if candidate else None, MODELS, blessings) == expected
