import pytest
from ml_metadata.proto import metadata_store_pb2

from data.errors import InputError
from pipeline.history.store import (
    History,
    int_property,
    open_history,
    open_store,
    text_property,
)
from tests.pipeline.recorded_runs import Workspace


def test_a_missing_property_is_none_and_is_not_added():
    artifact = metadata_store_pb2.Artifact()
    artifact.custom_properties["span"].int_value = 3
    artifact.custom_properties["why"].string_value = "a typing error"
    assert (int_property(artifact, "span"), text_property(artifact, "why")) == (3, "a typing error")
    assert (int_property(artifact, "blessed"), text_property(artifact, "who")) == (None, None)
    assert set(artifact.custom_properties) == {"span", "why"}


def test_there_are_no_records_before_the_first_run(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.database.unlink()
    assert open_store(workspace.config) is None
    assert open_history(workspace.config) is None


@pytest.mark.parametrize("content", [None, "no database"])
def test_records_that_cannot_be_read_are_one_line(tmp_path, content):
    workspace = Workspace(tmp_path)
    workspace.database.unlink()
    if content is None:
        workspace.database.mkdir()
    else:
        workspace.database.write_text(content)
    with pytest.raises(InputError) as caught:
        open_store(workspace.config)
    assert str(caught.value).startswith(f"{workspace.database}: the records of the runs cannot be")
    assert "Restore the file from a copy" in str(caught.value)


def test_the_newest_runs_are_those_with_the_newest_reports(tmp_path):
    workspace = Workspace(tmp_path)
    ids = [workspace.record(number) for number in range(3)]
    history = History(open_store(workspace.config))
    assert [run.id for run in history.runs] == ids[::-1]
    numbers = [run.number for run in history.runs]
    assert history.newest_runs(2) == set(numbers[:2])
    assert history.newest_runs(None) == set(numbers)
    made = {artifact.id for run in numbers for artifact in history.outputs(run)}
    assert {artifact.id for artifact in history.made} == made
    assert history.touched_by(numbers) == made
    assert history.unfinished == []
