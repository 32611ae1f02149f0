import pytest

from pipeline.platforms.local import Local

WARM_START = {"training": {"warm_start": True}}


def test_resolvers_choose_the_baseline_and_the_model_to_start_from(make_nodes):
    nodes = make_nodes(Local(), **WARM_START)
    assert nodes["Evaluator"].inputs["baseline_model"] is nodes["Baseline"].outputs["model"]
    assert nodes["Trainer"].inputs["base_model"] is nodes["WarmStart"].outputs["model"]


@pytest.mark.parametrize("text", ["", "feature {}"], ids=["no schema", "a kept schema"])
def test_the_schema_is_inferred_anew_until_the_user_keeps_one(make_nodes, tmp_path, text):
    if text:
        (tmp_path / "schema.pbtxt").write_text(text)
    data = {
        "source": {"kind": "folder", "path": str(tmp_path / "nowhere")},
        "classes": ["ground", "disc"],
        "schema_file": str(tmp_path / "schema.pbtxt"),
    }
    first, second = (make_nodes(Local(), data=data)["SchemaGen"].exec_properties for _ in range(2))
    assert first["text"] == second["text"] == text
    assert (first["attempt"] == second["attempt"]) == bool(text)
