from pathlib import Path

import pytest
from tfx import v1 as tfx
from tfx.types import standard_artifacts

from components.pusher.component import Executor, Pusher, PusherSettings
from serving.card.config import CardConfig
from serving.card.files import read_pushed_card

pytestmark = pytest.mark.slow


@pytest.fixture
def push(model, examples, evaluated, serving_check, tmp_path):
    candidate, infra = model(1), serving_check()

    def push(*, gate=1, serves=1, to=None, **texts):
        blessing = standard_artifacts.ModelBlessing()
        blessing.uri = evaluated["blessing"].uri
        blessing.set_int_custom_property("blessed", gate)
        infra.set_int_custom_property("blessed", serves)
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed")
        destination = tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=to or str(tmp_path / "serving")
            )
        )
        artifacts = {
            "examples": examples,
            "model": candidate,
            "evaluation": evaluated["evaluation"],
            "model_blessing": blessing,
            "infra_blessing": infra,
        }
        pusher = Pusher(
            **{key: tfx.dsl.Channel(type=type(value)) for key, value in artifacts.items()},
            push_destination=destination,
            settings=PusherSettings(name="colours", card=CardConfig(**texts)),
        )
        Executor().Do(
            {key: [artifact] for key, artifact in artifacts.items()},
            {"pushed_model": [pushed]},
            dict(pusher.exec_properties),
        )
        return pushed

    return push


def test_a_blessed_model_becomes_a_version_with_a_card(push, tmp_path):
    pushed = push(intended_use="colours")
    (version,) = (tmp_path / "serving").iterdir()
    assert (version / "saved_model.pb").exists()
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name
    assert Path(pushed.uri, "saved_model.pb").exists()
    card = read_pushed_card(str(version))
    assert card == read_pushed_card(pushed.uri)
    assert (card.name, card.texts.intended_use) == ("colours", "colours")
    text = (version / "assets.extra/model_card.md").read_text()

    # A corrected card needs no new version, and an unchanged one stays byte for byte.
    push(intended_use="colours")
    assert (version / "assets.extra/model_card.md").read_text() == text
    push(intended_use="shapes")
    (version,) = (tmp_path / "serving").iterdir()
    assert read_pushed_card(str(version)).texts.intended_use == "shapes"


def test_it_is_pushed_to_any_file_system_of_tensorflow(push, tmp_path):
    pushed = push(to=f"ram://{tmp_path}/bucket")
    version = pushed.get_string_custom_property("pushed_destination")
    assert version.startswith("ram://")
    assert read_pushed_card(version).name == "colours"


@pytest.mark.parametrize("missing", ["gate", "serves"])
def test_without_both_blessings_nothing_is_pushed(push, tmp_path, missing):
    pushed = push(**{missing: 0})
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()
