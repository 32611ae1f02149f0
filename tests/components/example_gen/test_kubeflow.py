import numpy as np
import pytest
from PIL import Image
from tfx.types import standard_artifacts

from components.example_gen.kubeflow import LookOutside_Executor
from components.example_gen.settings import ExampleGenSettings
from data.config import DataConfig


@pytest.fixture
def look(tmp_path):
    """Looks at a folder of one pair: what it is told of the data, and of the schema."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name / "0.png")
    source = {"kind": "folder", "path": str(tmp_path)}
    data = DataConfig.model_validate({"source": source, "classes": ["ground", "disc"]})
    settings = ExampleGenSettings(data=data, name="discs", folder="", code="1").model_dump_json()

    def looked():
        outputs = {
            "fingerprint": standard_artifacts.String(),
            "schema": standard_artifacts.String(),
        }
        for name, artifact in outputs.items():
            artifact.uri = str(tmp_path / name)
        told = {"settings": settings, "schema_file": str(tmp_path / "schema.pbtxt")}
        LookOutside_Executor().Do({}, {key: [value] for key, value in outputs.items()}, told)
        return tuple(artifact.read() for artifact in outputs.values())

    return looked


def test_what_has_not_changed_is_told_alike(look):
    assert look() == look()


def test_new_contents_are_another_fingerprint(look, tmp_path):
    before, _ = look()
    Image.fromarray(np.ones((4, 4), np.uint8)).save(tmp_path / "masks" / "0.png")
    assert look()[0] != before


def test_the_schema_is_told_once_it_is_kept(look, tmp_path):
    assert look()[1] == ""
    (tmp_path / "schema.pbtxt").write_text("feature {}  # edited\n")
    assert look()[1] == "feature {}  # edited\n"
