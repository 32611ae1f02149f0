import pytest

from data.errors import InputError
from pipeline.history.runs import all_runs, find_run, latest_run, newest_model
from tests.pipeline.recorded_runs import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def test_a_run_is_found_by_its_id_or_its_model(workspace):
    ids = [workspace.record(number) for number in range(12)]
    for name, number in (
        (None, 11),
        (ids[3], 3),
        ("2026-01-01T00:00:07", 7),
        ("artifacts/Trainer/1", 1),
    ):
        assert find_run(workspace.config, name).id == ids[number]
    with pytest.raises(InputError, match="several run IDs begin with this"):
        find_run(workspace.config, "2026")
    with pytest.raises(InputError, match="no run with this ID"):
        find_run(workspace.config, "Trainer/model/99")


def test_runs_are_listed_newest_first(workspace):
    ids = [workspace.record(number, mean=number / 10) for number in range(3)]
    runs = all_runs(workspace.config)
    assert [run.id for run in runs] == ids[::-1]
    assert [run.mean_iou for run in runs] == [0.2, 0.1, 0.0]
    assert latest_run(workspace.config) == runs[0]
    assert runs[0].fresh == set(workspace.nodes)
    assert runs[0].durations.keys() == set(workspace.nodes)


def test_a_pipeline_that_never_ran_has_no_runs(workspace):
    assert (all_runs(workspace.config), latest_run(workspace.config)) == ([], None)
    workspace.database.unlink()
    assert (all_runs(workspace.config), latest_run(workspace.config)) == ([], None)
    with pytest.raises(InputError, match="no run has a report"):
        find_run(workspace.config, None)


def test_reports_of_older_versions_are_found(tmp_path):
    workspace = Workspace(tmp_path, Report="UnetfxReport")
    run_id = workspace.record(0, mean=0.5)
    assert find_run(workspace.config, run_id).mean_iou == 0.5


def test_the_newest_model_that_is_still_there(workspace):
    with pytest.raises(InputError, match=r"no trained model there\. Run the pipeline first"):
        newest_model(workspace.config)
    for number in range(3):
        workspace.record(number)
    folder = workspace.config.home / "artifacts/Trainer/1/Format-Serving"
    folder.mkdir(parents=True)
    assert newest_model(workspace.config) == str(folder)
