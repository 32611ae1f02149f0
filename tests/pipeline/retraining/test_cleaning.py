"""Cleaning of real files, with metadata as runs write them."""

import os
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2

from data.files.finding import find_files
from data.files.writing import write_text
from pipeline.config.config import Config
from pipeline.retraining.cleaning import clean
from serving.model.versions import numbered_folders

Artifact, Event, Execution = (
    metadata_store_pb2.Artifact,
    metadata_store_pb2.Event,
    metadata_store_pb2.Execution,
)


class History:
    """Writes runs with examples, a model, its blessing, a report, and perhaps a pushed version."""

    def __init__(self, folder: str) -> None:
        self.config = self.with_retrain(folder, keep_runs=1)
        self.config.home.mkdir(parents=True)
        connection = metadata_store_pb2.ConnectionConfig()
        connection.sqlite.filename_uri = str(self.config.home / "metadata.db")
        connection.sqlite.connection_mode = (
            metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        )
        self.store = mlmd.MetadataStore(connection)

    @staticmethod
    def with_retrain(folder: str, push_to: str | None = None, **retrain: object) -> Config:
        return Config.model_validate(
            {
                "name": "cells",
                "workspace": folder,
                "data": {"source": {"kind": "folder", "path": "x"}, "classes": ["a", "b"]},
                "gate": {"mean_iou": 0.5},
                "retrain": retrain,
                "serving": {"push_to": push_to},
            }
        )

    def run(
        self,
        name: str,
        *,
        blessed: bool = True,
        compared_with: tuple[Artifact, ...] = (),
        version: int | None = None,
    ) -> dict[str, Any]:
        """Writes a run that executes every step, and returns its artifacts by type."""
        run = self._context("pipeline_run", name)
        made = {}
        made["Examples"] = self.step(run, "ExampleGen", [], "Examples")
        made["Model"] = self.step(run, "Trainer", [made["Examples"]], "Model")
        verdict = {"blessed": int(blessed), "current_model_id": made["Model"].id}
        read = [made["Examples"], made["Model"], *compared_with]
        made["ModelBlessing"] = self.step(run, "Evaluator", read, "ModelBlessing", **verdict)
        if version is not None:
            folder = f"{self.config.serving_folder}/{version}"
            write_text(f"{folder}/saved_model.pb", "a graph")
            where = {"pushed": 1, "pushed_destination": folder}
            read = [made["Model"], made["ModelBlessing"]]
            made["PushedModel"] = self.step(run, "Pusher", read, "PushedModel", **where)
        made["File"] = self.step(run, "Report", [made["Model"]], "File")
        return made

    def repeat(self, name: str, made: dict[str, Any]) -> None:
        """Writes a run that takes everything from the cache."""
        run = self._context("pipeline_run", name)
        for artifact in made.values():
            self._execution(run, "Cached", Execution.CACHED, [], [artifact])

    def step(self, run: Any, name: str, read: list[Any], kind: str, **properties: object) -> Any:
        type_id = self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind))
        artifact = Artifact(type_id=type_id, state=Artifact.LIVE)
        for key, value in properties.items():
            field = "int_value" if isinstance(value, int) else "string_value"
            setattr(artifact.custom_properties[key], field, value)
        execution = self._execution(run, name, Execution.RUNNING, read, [])
        artifact.uri = f"{self.config.artifacts_folder}/{name}/{kind.lower()}/{execution.id}"
        write_text(f"{artifact.uri}/file", "some content")
        execution.last_known_state = Execution.COMPLETE
        event = _event(Event.OUTPUT)
        _, [artifact.id], _ = self.store.put_execution(execution, [(artifact, event)], [])
        return artifact

    def dead_step(self, name: str) -> tuple[int, str]:
        run = self._context("pipeline_run", name)
        execution = self._execution(run, "Trainer", Execution.RUNNING, [], [])
        folder = f"{self.config.artifacts_folder}/Trainer/model/{execution.id}"
        write_text(f"{folder}/file", "half")
        return execution.id, folder

    def state(self, artifact: Artifact) -> int:
        [found] = self.store.get_artifacts_by_id([artifact.id])
        assert exists(artifact.uri) == (found.state != Artifact.DELETED)
        return found.state

    def _context(self, kind: str, name: str) -> Any:
        type_id = self.store.put_context_type(metadata_store_pb2.ContextType(name=kind))
        context = metadata_store_pb2.Context(type_id=type_id, name=name)
        [context.id] = self.store.put_contexts([context])
        return context

    def _execution(self, run: Any, name: str, state: int, read: list[Any], made: list[Any]) -> Any:
        type_id = self.store.put_execution_type(metadata_store_pb2.ExecutionType(name=name))
        execution = Execution(type_id=type_id, last_known_state=state)
        events = [(artifact, _event(Event.INPUT)) for artifact in read]
        events += [(artifact, _event(Event.OUTPUT)) for artifact in made]
        execution.id, _, _ = self.store.put_execution(execution, events, [run])
        return execution


def _event(kind: int) -> Event:
    event = Event(type=kind)
    event.path.steps.add().key = "key"
    return event


def exists(path: str) -> bool:
    # TensorFlow remembers for some seconds that there was a folder in a bucket.
    return bool(find_files(f"{path}/*")) if "://" in path else Path(path).exists()


LIVE, MARKED, DELETED = Artifact.LIVE, Artifact.MARKED_FOR_DELETION, Artifact.DELETED


@pytest.fixture
def history(tmp_path):
    return History(str(tmp_path))


def states(history, made):
    return {kind: history.state(artifact) for kind, artifact in made.items()}


def test_only_artifacts_of_the_newest_runs_stay(history):
    made = [history.run(name, blessed=False) for name in "abc"]
    cleaned = clean(history.with_retrain(history.config.workspace, keep_runs=2))
    assert set(states(history, made[0]).values()) == {DELETED}
    assert {state for run in made[1:] for state in states(history, run).values()} == {LIVE}
    assert (cleaned.artifacts, cleaned.size, cleaned.problems) == (4, 4 * len("some content"), [])
    assert str(cleaned) == "4 artifacts of old runs, 0 MB"
    assert not clean(history.with_retrain(history.config.workspace, keep_runs=2)).removed


def test_the_folder_of_all_artifacts_is_never_removed(history):
    wrong = history.run("a", blessed=False)["File"]
    wrong.uri = history.config.artifacts_folder
    history.store.put_artifacts([wrong])
    newest = history.run("b", blessed=False)
    clean(history.config)
    assert history.state(wrong) == LIVE
    assert set(states(history, newest).values()) == {LIVE}


def test_nothing_is_removed_without_a_limit(history):
    made = [history.run(name) for name in "abc"]
    assert not clean(history.with_retrain(history.config.workspace, keep_runs=None)).removed
    assert {state for run in made for state in states(history, run).values()} == {LIVE}


def test_a_repeated_run_is_not_counted_again(history):
    oldest, newer = (history.run(name, blessed=False) for name in "ab")
    history.repeat("c", newer)
    clean(history.with_retrain(history.config.workspace, keep_runs=2))
    assert set(states(history, oldest).values()) == {LIVE}


def test_the_run_that_made_the_baseline_stays_with_its_examples(history):
    baseline = history.run("a")
    unblessed = history.run("b", blessed=False)
    history.run("c", blessed=False)
    clean(history.config)
    assert set(states(history, baseline).values()) == {LIVE}
    assert set(states(history, unblessed).values()) == {DELETED}


def test_the_models_that_a_kept_run_was_compared_with_stay(history):
    older = [history.run(name) for name in "ab"]
    history.run("c", compared_with=tuple(run["Model"] for run in older))
    clean(history.config)
    for run in older:
        assert states(history, run)["Model"] == LIVE
        assert states(history, run)["Examples"] == DELETED


def test_a_pushed_version_keeps_its_model_and_the_newest_one_its_run(history):
    pushed = [history.run("a", version=1), history.run("b", version=2)]
    history.run("c")  # blessed, but not pushed
    clean(history.config)
    assert states(history, pushed[0]) == {
        "Examples": DELETED,
        "Model": LIVE,
        "ModelBlessing": LIVE,
        "PushedModel": DELETED,
        "File": DELETED,
    }
    assert set(states(history, pushed[1]).values()) == {LIVE}
    assert sorted(numbered_folders(history.config.serving_folder)) == [1, 2]


def test_versions_over_the_limit_are_removed_with_their_models(history):
    pushed = [history.run(name, version=number) for number, name in enumerate("abc", 8)]
    folder = history.config.workspace
    cleaned = clean(history.with_retrain(folder, keep_runs=1, keep_versions=2))
    left = [path.name for path in Path(history.config.serving_folder).iterdir()]
    assert sorted(left) == ["10", "9"]
    assert cleaned.versions == ["8"]
    assert str(cleaned).endswith("artifacts of old runs and the pushed versions 8, 0 MB")
    assert states(history, pushed[0])["Model"] == DELETED
    assert states(history, pushed[1])["Model"] == LIVE


def test_versions_in_a_bucket_count_like_local_ones(history, tmp_path):
    options = {"push_to": "ram://cleaning/cells", "keep_runs": 1, "keep_versions": 2}
    history.config = history.with_retrain(str(tmp_path), **options)
    pushed = [history.run(name, version=number) for number, name in enumerate("abc", 8)]
    cleaned = clean(history.config)
    assert sorted(numbered_folders(history.config.serving_folder)) == [9, 10]
    assert cleaned.versions == ["8"]
    assert [states(history, made)["Model"] for made in pushed] == [DELETED, LIVE, LIVE]


def test_results_of_a_search_stay_with_the_run_that_used_them(history):
    searches = []
    for name in "ab":
        made = history.run(name, blessed=False)
        [run] = history.store.get_contexts_by_artifact(made["Model"].id)
        searches.append(history.step(run, "Tuner", [made["Examples"]], "HyperParameters"))
    clean(history.config)
    assert [history.state(search) for search in searches] == [DELETED, LIVE]


def test_people_s_pushes_and_decisions_stay(history):
    made = history.run("a", blessed=False)
    history.run("b", blessed=False)
    version = Path(history.config.serving_folder) / "5"
    version.mkdir(parents=True)
    by_hand = history.step(
        history._context("pipeline", "cells"),
        "unetfx.Decision",
        [made["Model"]],
        "PushedModel",
        pushed=1,
        pushed_destination=str(version),
    )
    clean(history.config)
    assert history.state(by_hand) == LIVE
    assert history.state(made["Model"]) == LIVE
    assert version.exists()


def test_outputs_of_a_killed_step_are_removed_and_the_step_has_failed(history):
    history.run("a")
    execution, folder = history.dead_step("b")
    clean(history.config)
    assert not exists(folder)
    [found] = history.store.get_executions_by_id([execution])
    assert found.last_known_state == Execution.FAILED


def test_the_next_cleaning_finishes_a_killed_one(history):
    old = history.run("a", blessed=False)
    history.run("b", blessed=False)
    old["Model"].state = MARKED
    history.store.put_artifacts([old["Model"]])
    clean(history.config)
    assert set(states(history, old).values()) == {DELETED}


def test_what_cannot_be_removed_is_reported_and_stays_marked(history):
    old = history.run("a", blessed=False)
    history.run("b", blessed=False)
    folder = Path(old["Model"].uri)
    (folder / "file").rename(folder.parent / "moved")
    folder.rmdir()
    (folder.parent / "moved").rename(folder)  # a file, where a folder should be
    cleaned = clean(history.config)
    assert cleaned.problems == [f"{folder}: cannot be removed (Not a directory)."]
    assert history.state(old["Model"]) == MARKED
    assert history.state(old["Examples"]) == DELETED


def test_an_abandoned_training_is_removed(history):
    unfinished = Path(history.config.artifacts_folder) / "Trainer/model_run/.unfinished"
    for name, modified in (("old", 0), ("new", None)):
        (unfinished / name).mkdir(parents=True)
        (unfinished / name / "weights").touch()
        for path in (unfinished / name / "weights", unfinished / name):
            os.utime(path, None if modified is None else (modified, modified))
    history.run("a")
    (unfinished / "new/weights").touch()
    clean(history.config)
    assert [path.name for path in unfinished.iterdir()] == ["new"]


def test_a_pipeline_that_never_ran_has_nothing_to_remove(tmp_path):
    assert not clean(History.with_retrain(str(tmp_path))).removed


def test_a_workspace_in_a_bucket_is_cleaned_like_a_local_one(gs_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    history = History(gs_folder)
    made = [history.run(name, version=number) for number, name in enumerate("abc", 8)]
    write_text(f"{history.config.artifacts_folder}/Trainer/.unfinished/x/last.h5", "weights")
    _, dead = history.dead_step("d")
    cleaned = clean(history.with_retrain(gs_folder, keep_runs=1, keep_versions=1))
    assert sorted(numbered_folders(history.config.serving_folder)) == [10]
    assert cleaned.versions == ["9", "8"]
    for older in made[:2]:
        assert set(states(history, older).values()) == {DELETED}
    assert set(states(history, made[2]).values()) == {LIVE}
    assert not exists(dead)
    assert exists(f"{history.config.artifacts_folder}/Trainer/.unfinished/x")
    assert (cleaned.artifacts, cleaned.problems) == (10, [])
