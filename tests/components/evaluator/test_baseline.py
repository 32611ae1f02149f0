import pytest
from tfx.types import standard_artifacts

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
        "refused later by a stricter gate",
        "a person withdrew the blessing",
        "a person blessed it",
        "a person withdrew the blessing and the gate blessed it again",
    ],
)
def test_blessed_models_except_the_candidate_are_resolved(candidate, blessings, expected):
    models = [model(2), model(1), model(4), model(3)]
    assert resolve(model(candidate), models, blessings) == expected
