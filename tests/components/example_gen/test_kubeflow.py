import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components.example_gen.kubeflow import LookOutside_Executor
from components.example_gen.settings import ExampleGenSettings
from components.schema_file import write_inferred_schema
from data.config import DataConfig


@pytest.fixture
def look(tmp_path):
    """Makes a function that reads the fingerprint and the schema for a folder with one pair."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name / "0.png")
    source = {"kind": "folder", "path": str(tmp_path)}
    data = DataConfig.model_validate({"source": source, "classes": ["ground", "disc"]})
    settings = ExampleGenSettings(
        data=data, name="discs", folder="", listing=str(tmp_path / "listing"), code="1"
    ).model_dump_json()

    def read():
        outputs = {
            "fingerprint": standard_artifacts.String(),
            "schema": standard_artifacts.String(),
        }
        for name, artifact in outputs.items():
            artifact.uri = str(tmp_path / name)
        parameters = {
            "settings": settings,
            "schema_file": str(tmp_path / "schema.pbtxt"),
            "beam": '["--runner=FnApiRunner"]',
        }
        LookOutside_Executor().Do({}, {key: [value] for key, value in outputs.items()}, parameters)
        return tuple(artifact.read() for artifact in outputs.values())

    return read


def test_unchanged_inputs_give_the_same_outputs(look):
    assert look() == look()


def test_new_contents_have_another_fingerprint(look, tmp_path):
    before, _ = look()
    Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / "masks" / "0.png")
    assert look()[0] != before


def test_the_schema_is_read_once_it_is_edited(look, tmp_path):
    assert look()[1] == ""
    write_inferred_schema(str(tmp_path / "schema.pbtxt"), "feature {}\n")
    assert look()[1] == ""
    (tmp_path / "schema.pbtxt").write_text("feature {}  # edited\n")
    assert look()[1] == "feature {}  # edited\n"


def test_a_schema_has_no_dollar_sign_that_kubernetes_would_expand(look, tmp_path):
    schema = schema_pb2.Schema(string_domain=[schema_pb2.StringDomain(value=["US$$", "$(HOME)"])])
    (tmp_path / "schema.pbtxt").write_text(text_format.MessageToString(schema))
    text = look()[1]
    assert "$" not in text
    assert text_format.Parse(text, schema_pb2.Schema()) == schema
