import pytest

from data.errors import InputError
from pipeline.history.decisions import decide
from tests.pipeline.recorded_runs import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def test_a_person_s_last_decision_counts(workspace):
    run = workspace.run(workspace.record(0))
    assert run.blessed is None
    for blessed in (True, False, True):
        decide(workspace.config, run.artifacts["Model"], blessed=blessed, why="I looked at it")
        assert workspace.run(run.id).blessed is blessed
    kinds = [decision.kind for decision in workspace.run(run.id).decisions]
    assert sorted(kinds) == ["blessed it", "blessed it", "withdrew its blessing"]


def test_a_decision_needs_a_reason(workspace):
    run = workspace.run(workspace.record(0))
    with pytest.raises(InputError, match="--why"):
        decide(workspace.config, run.artifacts["Model"], blessed=True, why=" ")
    assert workspace.run(run.id).decisions == ()


def test_a_person_may_have_no_name(workspace, monkeypatch):
    """A container's user often has none, and the decision is recorded all the same."""
    run = workspace.run(workspace.record(0))
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    decide(workspace.config, run.artifacts["Model"], blessed=True, why="I looked at it")
    (decision,) = workspace.run(run.id).decisions
    assert str(decision).startswith("user 4000000 blessed it on ")
    assert str(decision).endswith(": I looked at it")
