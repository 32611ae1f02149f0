from tfx.types import standard_artifacts

from components.validator.component import SchemaGen_Executor


def test_a_kept_schema_that_nobody_read_before_is_taken_and_stays_as_it_is(tmp_path):
    kept = tmp_path / "kept.pbtxt"
    kept.write_text('feature { name: "image/width" type: INT }  # edited\n')
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path)
    SchemaGen_Executor().Do(
        {"statistics": [standard_artifacts.ExampleStatistics()]},
        {"schema": [schema]},
        {"file": str(kept), "text": "", "attempt": ""},
    )
    assert (tmp_path / "schema.pbtxt").read_text() == kept.read_text()
    assert kept.read_text().endswith("# edited\n")
