"""A pipeline's workspace with runs that are recorded in ML Metadata as TFX records them."""

from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.evaluator.metrics import metric_names
from components.report.contents import Contents
from components.report.metrics import RunMetrics
from components.serving_check.verdict import ServingVerdict
from pipeline.config.config import Config
from pipeline.history.runs import all_runs
from pipeline.history.store import DESTINATION, PUSHED, PUSHED_MODEL, open_history

CLASSES = ["red", "green"]
NODES = {  # component to the type of its output
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
    """A workspace; `record` adds a run."""

    def __init__(self, folder, **types):
        """Makes the workspace; `types` replaces the types of some components' outputs."""
        self.nodes = NODES | types
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
        connection.sqlite.filename_uri = str(self.database)
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
        for name, kind in self.nodes.items():
            of_node = metadata_store_pb2.Context(type_id=node, name=f"colours.{name}")
            self._types[name] = (
                *self._store.put_contexts([of_node]),
                self._store.put_execution_type(execution(name=name)),
                self._store.put_artifact_type(artifact(name=kind)),
            )

    @property
    def database(self):
        return self.config.home / "metadata.db"

    def record(self, number, mean=0.7, **folders):
        """Records a run that made all of its artifacts, and returns the run's id."""
        run_id = f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.000000"
        context = metadata_store_pb2.Context(type_id=self._run, name=run_id)
        (run,) = self._store.put_contexts([context])
        for name, (node, execution_type, artifact_type) in self._types.items():
            execution = metadata_store_pb2.Execution(type_id=execution_type)
            execution.last_known_state = metadata_store_pb2.Execution.COMPLETE
            folder = folders.get(name, Path(self.config.artifacts_folder) / name / str(number))
            artifact = metadata_store_pb2.Artifact(type_id=artifact_type, uri=str(folder))
            event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT)
            event.path.steps.add().key = name
            event.path.steps.add().index = 0
            contexts = self._store.get_contexts_by_id([run, node])
            self._store.put_execution(execution, [(artifact, event)], contexts)
        report = Path(self.config.artifacts_folder) / "Report" / str(number)
        report.mkdir(parents=True)
        (report / "report.json").write_text(CONTENTS.model_dump_json())
        (report / "metrics.json").write_text(metrics(mean).model_dump_json())
        return run_id

    def record_push(self, run_id, folder):
        """Records that the model of a run was pushed to a folder."""
        open_history(self.config, for_writing=True).record_decision(
            "colours",
            self.run(run_id).artifacts["Model"],
            PUSHED_MODEL,
            str(folder),
            {PUSHED: 1, DESTINATION: str(folder)},
        )

    def run(self, run_id):
        return next(run for run in all_runs(self.config) if run.id == run_id)


def artifact(uri="", **properties):
    """Returns an artifact of ML Metadata with custom properties, which are texts or integers."""
    made = metadata_store_pb2.Artifact(uri=str(uri))
    for name, value in properties.items():
        if isinstance(value, str):
            made.custom_properties[name].string_value = value
        else:
            made.custom_properties[name].int_value = value
    return made
