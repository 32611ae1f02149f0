"""The whole config file as one validated model."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from components.evaluator.config import EvaluationConfig, GateConfig
from components.evaluator.metrics import floor_metrics
from components.evaluator.slice_names import column_of, parse_slice, sliceable
from components.trainer.config import ModelConfig, TrainingConfig
from components.tuner.config import TunerConfig
from data.config import DataConfig, ManifestSource, Strict
from data.errors import InputError
from data.examples import features
from data.files import is_remote, join
from pipeline.config.airflow import AirflowConfig
from pipeline.config.beam import BeamConfig, LocalBeam
from pipeline.config.kubeflow import KubeflowConfig
from pipeline.config.retrain import RetrainConfig
from serving.config import ServingConfig

AROUND_A_RUN = frozenset({"airflow", "beam", "kubeflow", "retrain"})
"""Sections that say where and when runs happen, and whom they tell; none changes what is made."""


class Config(Strict):
    """A whole config file.

    Attributes:
      name: The pipeline's, and the served model's.
      workspace: Folder for all that runs make; a relative path starts at the current folder. For
        Kubeflow and Vertex AI, a folder on a bucket (`gs://…`).
      data: What the data are.
      model: What the network is.
      training: How it is trained.
      tuner: What is searched before the training; null for no search.
      evaluation: How it is looked at on `test`.
      gate: What it must reach there before it is pushed.
      serving: How it is served, and what it must do before it is pushed.
      beam: On what engine ingestion, statistics and evaluation run.
      retrain: What scheduled turns keep, and whom they tell.
      airflow: When Airflow runs the pipeline; null if it does not.
      kubeflow: How it runs on Kubeflow Pipelines or Vertex AI; null where it never does.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    workspace: str = "runs"
    data: DataConfig
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    tuner: TunerConfig | None = None
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GateConfig
    serving: ServingConfig = ServingConfig()
    beam: BeamConfig = LocalBeam()
    retrain: RetrainConfig = RetrainConfig()
    airflow: AirflowConfig | None = None
    kubeflow: KubeflowConfig | None = None

    @model_validator(mode="after")
    def _gate_names_what_exists(self) -> Self:
        classes, gate = self.data.classes, self.gate
        unknown = sorted(set(gate.class_iou) - set(classes))
        if unknown:
            raise ValueError(
                f"gate.class_iou: {', '.join(unknown)} is not among the classes {classes}"
            )
        known = floor_metrics(classes)
        floors = {"gate.floors": gate.floors}
        floors |= {f"gate.slices.{name}": of_slice for name, of_slice in gate.slices.items()}
        for key, metrics in floors.items():
            for metric in metrics:
                if metric not in known:
                    raise ValueError(f"{key}: {metric} is no metric; there are {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _slices_are_by_features(self) -> Self:
        for name in self.gate.slices:
            if not self._is_sliceable(parse_slice(name)[0]) or "=" not in name:
                raise ValueError(
                    f"gate.slices.{name}: should be feature=value, with one of the features "
                    f"{self._sliceable_in_words()}"
                )
        for name in self.evaluation.slices:
            if not self._is_sliceable(name):
                raise ValueError(
                    f"evaluation.slices: {name} is no feature to slice by; there are "
                    f"{self._sliceable_in_words()}"
                )
        return self

    def _is_sliceable(self, feature: str) -> bool:
        source, column = self.data.source, column_of(feature)
        if column is None:
            return feature in sliceable(self.data.classes)
        # Which columns there are is in the manifest, unless the config names those to keep.
        return isinstance(source, ManifestSource) and (
            source.columns is None or column in source.columns
        )

    def _sliceable_in_words(self) -> str:
        source, names = self.data.source, sliceable(self.data.classes)
        if isinstance(source, ManifestSource):
            kept = source.columns
            names += [features.column(name) for name in (["<name>"] if kept is None else kept)]
        return ", ".join(names)

    @model_validator(mode="after")
    def _class_weights_name_classes(self) -> Self:
        unknown = sorted(set(self.training.class_weights) - set(self.data.classes))
        if self.training.class_weights != "balanced" and unknown:
            raise ValueError(
                f"training.class_weights: {', '.join(unknown)} is not among the classes "
                f"{self.data.classes}"
            )
        return self

    @model_validator(mode="after")
    def _training_fits_the_view(self) -> Self:
        training, view = self.training, self.data.view.kind
        idle = {
            "training.crops_per_image": view != "crop" and training.crops_per_image > 1,
            "training.class_aware_crops": view != "crop" and training.class_aware_crops > 0,
            "training.augmentation.translation": view == "crop"
            and training.augmentation.translation > 0,
        }
        for key in (key for key, is_idle in idle.items() if is_idle):
            raise ValueError(f"{key}: does nothing with data.view.kind {view}; leave it out")
        return self

    @model_validator(mode="after")
    def _trials_end_after_the_warmup(self) -> Self:
        warmup = self.training.warmup_epochs
        if self.tuner and warmup > self.tuner.epochs:
            raise ValueError(
                f"tuner.epochs: {self.tuner.epochs}, but training.warmup_epochs is {warmup:g}"
            )
        return self

    @property
    def columns_to_slice_by(self) -> list[str]:
        """Names of a manifest's columns by which there are slices."""
        by_gate = [parse_slice(name)[0] for name in self.gate.slices]
        columns = map(column_of, [*self.evaluation.slices, *by_gate])
        return list(dict.fromkeys(name for name in columns if name is not None))

    @property
    def root(self) -> str:
        """Folder of everything that this pipeline's runs make, local or remote."""
        return join(_absolute(self.workspace), self.name)

    @property
    def home(self) -> Path:
        """The same, where it must be on this machine.

        Raises:
          InputError: It is on a bucket.
        """
        if is_remote(self.workspace):
            raise InputError(
                f"workspace: {self.workspace} is on a bucket, where only the steps of Kubeflow and "
                "Vertex AI write. For this command, name a folder of this machine."
            )
        return Path(self.root)

    @property
    def artifacts_folder(self) -> Path:
        """Folder of what the pipeline's steps make."""
        return self.home / "artifacts"

    @property
    def source_folder(self) -> Path:
        """Folder where a source without files of its own (`sample`, `tfds`) writes them."""
        # Each container of a cluster has a disk of its own, and makes the same files there.
        place = Path("/tmp/unetfx", self.name) if is_remote(self.workspace) else self.home  # noqa: S108
        return place / self.data.source.kind

    @property
    def schema_file(self) -> str:
        """The schema that the user keeps, local or remote; inferred if it is not there yet."""
        kept = self.data.schema_file
        return _absolute(kept) if kept else join(self.root, "schema.pbtxt")

    @property
    def check_folder(self) -> Path:
        """Folder of what `unetfx check` writes."""
        return self.home / "check"

    @property
    def serving_folder(self) -> str:
        """Folder that TF Serving watches, local or remote: one sub-folder for each version."""
        return _absolute(self.serving.push_to or join(self.root, f"serving/{self.name}"))

    @property
    def reports_folder(self) -> Path:
        """Folder of the reports, one sub-folder for each run."""
        return self.home / "reports"


def _absolute(path: str) -> str:
    return path if is_remote(path) else str(Path(path).absolute())
