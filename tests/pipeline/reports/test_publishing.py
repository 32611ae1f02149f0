"""The pages over many runs, and of two of them: real records in ML Metadata, real files."""

import csv
import json
import re

import keras
import ml_metadata as mlmd
import numpy as np
import pytest
from ml_metadata.proto import metadata_store_pb2
from PIL import Image

from components.evaluator.metric_names import metric_names
from components.report.contents import Contents
from components.report.metrics import RunMetrics
from components.serving_check.verdict import ServingVerdict
from data.errors import InputError
from data.examples.shards import Shard, write_shard
from data.sources.pairs import find_pairs
from pipeline.config.config import Config
from pipeline.history.decisions import decide
from pipeline.history.runs import all_runs, find_run
from pipeline.reports.comparison import compare
from pipeline.reports.publishing import publish
from serving.model.graph import export_saved_model

CLASSES = ["red", "green"]
NODES = {  # component to the type of what it makes
    "ExampleGen": "Examples",
    "ExampleValidator": "ExampleAnomalies",
    "Trainer": "Model",
    "Evaluator": "ModelEvaluation",
    "Report": "File",
}


def metrics(mean):
    return RunMetrics(
        blessed=True,
        reasons=[],
        remarks=[],
        metrics=dict.fromkeys(metric_names(CLASSES))
        | {"mean_iou": mean, "iou/red": mean, "iou/green": None},
        baseline={},
        baseline_model=None,
        rules=[],
        images=1,
        confusion_matrix=[[1, 0], [0, 0]],
        calibration=[[0, 0, 0]],
        slices={},
        serving=ServingVerdict(blessed=True, reasons=[], images=1),
    )


CONTENTS = Contents(
    name="colours",
    classes=CLASSES,
    histories=[],
    splits=[],
    gallery=[],
    provenance=[],
    config="name: colours",
)


class Workspace:
    """A pipeline's workspace, in which runs are recorded as TFX records them."""

    def __init__(self, folder):
        self.config = Config.model_validate(
            {
                "name": "colours",
                "workspace": str(folder / "runs"),
                "data": {
                    "source": {"kind": "folder", "path": str(folder / "data")},
                    "classes": CLASSES,
                    "view": {"kind": "resize", "height": 16, "width": 16},
                },
                "gate": {"mean_iou": 0.5},
            }
        )
        self.config.home.mkdir(parents=True)
        connection = metadata_store_pb2.ConnectionConfig()
        connection.sqlite.filename_uri = str(self.config.home / "metadata.db")
        connection.sqlite.connection_mode = 3
        self._store = mlmd.MetadataStore(connection)
        context, artifact, execution = (
            getattr(metadata_store_pb2, f"{kind}Type")
            for kind in ("Context", "Artifact", "Execution")
        )
        put = self._store.put_context_type
        self._run, node, pipeline = (
            put(context(name=name)) for name in ("pipeline_run", "node", "pipeline")
        )
        whole = metadata_store_pb2.Context(type_id=pipeline, name="colours")
        self._store.put_contexts([whole])
        for kind in ("ModelBlessing", "PushedModel"):
            self._store.put_artifact_type(artifact(name=kind))
        self._types = {}
        for name, kind in NODES.items():
            of_node = metadata_store_pb2.Context(type_id=node, name=f"colours.{name}")
            self._types[name] = (
                *self._store.put_contexts([of_node]),
                self._store.put_execution_type(execution(name=name)),
                self._store.put_artifact_type(artifact(name=kind)),
            )

    def record(self, number, mean=0.7, **folders):
        """Records a run that made all of its artifacts; returns its id."""
        run_id = f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.000000"
        context = metadata_store_pb2.Context(type_id=self._run, name=run_id)
        (run,) = self._store.put_contexts([context])
        for name, (node, execution_type, artifact_type) in self._types.items():
            execution = metadata_store_pb2.Execution(type_id=execution_type)
            execution.last_known_state = metadata_store_pb2.Execution.COMPLETE
            folder = folders.get(name, self.config.artifacts_folder / name / str(number))
            artifact = metadata_store_pb2.Artifact(type_id=artifact_type, uri=str(folder))
            event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT)
            event.path.steps.add().key = name
            event.path.steps.add().index = 0
            contexts = self._store.get_contexts_by_id([run, node])
            self._store.put_execution(execution, [(artifact, event)], contexts)
        report = self.config.artifacts_folder / "Report" / str(number)
        report.mkdir(parents=True)
        (report / "report.json").write_text(CONTENTS.model_dump_json())
        (report / "metrics.json").write_text(metrics(mean).model_dump_json())
        return run_id

    def run(self, run_id):
        return next(run for run in all_runs(self.config) if run.id == run_id)


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
    with pytest.raises(InputError, match="several runs begin so"):
        find_run(workspace.config, "2026")
    with pytest.raises(InputError, match="no run of that id"):
        find_run(workspace.config, "Trainer/model/99")


def test_dozens_of_runs_are_on_a_page_whose_axis_can_be_read(workspace, monkeypatch):
    ids = [workspace.record(number, mean=number / 30) for number in range(30)]
    read = []
    text_of = type(workspace.config.home).read_text
    monkeypatch.setattr(
        type(workspace.config.home),
        "read_text",
        lambda path, *arguments: read.append(path.name) or text_of(path, *arguments),
    )
    for run in all_runs(workspace.config):
        read.clear()
        publish(workspace.config, run)
    # Each note and each metrics.json a few times, however many runs there are.
    assert len(read) <= 4 * len(ids)
    page = (workspace.config.reports_folder / "index.html").read_text()
    assert page.count("/index.html") == len(ids)
    labels = re.findall(r">(2026-01-01T\d\d:\d\d:\d\d)</text>", page)
    assert 2 <= len(labels) <= 12
    assert page.index(ids[-1]) < page.index(ids[0])


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


# -- two runs


def write_evaluation(folder, counts):
    """Of each image, the pixels: truth in rows, prediction in columns."""
    folder.mkdir(parents=True)
    rows = [
        {"key": key, "group": key, "source": "s", "candidate": matrix}
        for key, matrix in counts.items()
    ]
    (folder / "images-00000-of-00001.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def compared(workspace, before, after, **folders):
    folder = workspace.config.artifacts_folder / "Evaluator"
    ids = [
        workspace.record(
            number, Evaluator=write_evaluation(folder / f"e{number}", counts), **folders
        )
        for number, counts in enumerate((before, after))
    ]
    return compare(workspace.config, *map(workspace.run, ids))


def half_right(pixels):
    """Of a hundred red pixels, so many are found."""
    return [[pixels, 100 - pixels], [0, 0]]


def test_of_thousands_of_images_the_page_shows_those_that_changed_most(workspace):
    count = 4000
    before = {f"{n:04d}": half_right(50) for n in range(count)}
    after = {f"{n:04d}": half_right(50 + (n % 7 - 3) * 5) for n in range(count)}
    page = compared(workspace, before, after)
    html = page.read_text()
    changes = [n % 7 - 3 for n in range(count)]
    worse, better = (sum(change * sign > 0 for change in changes) for sign in (-1, 1))
    assert f"Where it got worse: {worse} of {count} images" in html
    assert f"Where it got better: {better} of {count} images" in html
    assert f"And {worse - 100} more" in html
    shown = re.findall(r'<th scope="row">(\d{4})</th>', html)
    assert len(shown) == 200
    assert {int(key) % 7 for key in shown[:100]} == {0}
    assert {int(key) % 7 for key in shown[100:]} == {6}
    with page.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == count
    # IoU of red: 35 of 100; green is predicted, and never there.
    assert rows[0] == {
        "image": "0000",
        "mean before": "0.2500",
        "mean after": "0.1750",
        "red before": "0.5000",
        "red after": "0.3500",
        "green before": "0.0000",
        "green after": "0.0000",
    }


def test_runs_without_an_image_in_common_are_refused(workspace):
    with pytest.raises(InputError, match="no image in common"):
        compared(workspace, {"a": half_right(1)}, {"b": half_right(1)})


@pytest.fixture
def seen(workspace, tmp_path):
    """Six images, half of each green, and two models, of which the first takes all for red."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for number in range(6):
        class_ids = np.zeros((16, 16), np.uint8)
        class_ids[8:] = 1
        pixels = np.eye(3, dtype=np.uint8)[class_ids] * 255
        Image.fromarray(pixels).save(tmp_path / "data/images" / f"{number}.png")
        Image.fromarray(class_ids).save(tmp_path / "data/masks" / f"{number}.png")
    data = workspace.config.data
    pairs = find_pairs(data, name="colours", folder="").pairs
    write_shard(Shard(str(tmp_path / "examples/Split-test/data.gz"), pairs), data)
    for name, weights in {"0": [[1, 0], [1, 0], [0, 0]], "1": [[1, 0], [0, 1], [0, 0]]}.items():
        images = keras.Input((None, None, 3))
        convolution = keras.layers.Conv2D(2, 1)
        network = keras.Model(images, convolution(images))
        convolution.set_weights([np.array(weights).reshape(1, 1, 3, 2) / 20, np.zeros(2)])
        folder = workspace.config.artifacts_folder / "Trainer" / name / "Format-Serving"
        export_saved_model(network, str(folder), classes=CLASSES, view=data.view)
    return tmp_path / "examples"


def test_images_that_changed_are_drawn_as_both_models_see_them(workspace, seen):
    before = {str(n): [[128, 0], [128, 0]] for n in range(6)}
    after = {str(n): [[128, 0], [0, 128]] for n in range(1, 6)} | {"0": [[128, 0], [128, 0]]}
    page = compared(workspace, before, after, ExampleGen=seen)
    html = page.read_text()
    assert html.count("<article") == 5
    assert "Where it got better: 5 of 6 images" in html
    folders = sorted(path for path in page.with_suffix("").iterdir())
    assert len(folders) == 5
    wrong = {
        when: np.asarray(Image.open(folders[0] / f"{when}_errors.png"))[..., 3] > 0
        for when in ("before", "after")
    }
    assert wrong["before"][8:].all()
    assert not wrong["before"][:8].any()
    assert not wrong["after"].any()
    for source in re.findall(r'<img [^>]*src="([^"]*)"', html):
        assert (page.parent / source).is_file()
