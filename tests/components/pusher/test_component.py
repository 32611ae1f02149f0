from pathlib import Path

import pytest
from tfx import v1 as tfx
from tfx.types import standard_artifacts

from components.pusher.component import Executor, Pusher


@pytest.fixture
def push(model, tmp_path):
    def push(*, gate=1, serves=1, to=None):
        blessing, infra = standard_artifacts.ModelBlessing(), standard_artifacts.InfraBlessing()
        blessing.set_int_custom_property("blessed", gate)
        infra.set_int_custom_property("blessed", serves)
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed")
        destination = tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=to or str(tmp_path / "serving")
            )
        )
        pusher = Pusher(
            model=tfx.dsl.Channel(type=standard_artifacts.Model),
            push_destination=destination,
        )
        Executor().Do(
            {"model": [model(1)], "model_blessing": [blessing], "infra_blessing": [infra]},
            {"pushed_model": [pushed]},
            {"push_destination": pusher.exec_properties["push_destination"]},
        )
        return pushed

    return push


def test_a_blessed_model_becomes_a_version(push, tmp_path):
    pushed = push()
    (version,) = (tmp_path / "serving").iterdir()
    assert (version / "saved_model.pb").exists()
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name
    assert Path(pushed.uri, "saved_model.pb").exists()


def test_it_is_pushed_to_any_file_system_of_tensorflow(push, tmp_path):
    pushed = push(to=f"ram://{tmp_path}/bucket")
    assert pushed.get_string_custom_property("pushed_destination").startswith("ram://")


@pytest.mark.parametrize("missing", ["gate", "serves"])
def test_without_both_blessings_nothing_is_pushed(push, tmp_path, missing):
    pushed = push(**{missing: 0})
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()
