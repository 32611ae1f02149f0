"""The pydantic model of the whole config file."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from components.evaluator.config import EvaluationConfig, GateConfig
from components.evaluator.metrics import floor_metrics
from components.evaluator.slice_names import column_of, parse_slice, sliceable
from components.trainer.config import ModelConfig, TrainingConfig
from components.tuner.config import TunerConfig
from data.config import DataConfig, ManifestSource, Strict
from data.config.base import OutputPath
from data.errors import listed, nearest
from data.examples import features
from data.files.paths import is_remote, join
from pipeline.config.airflow import AirflowConfig
from pipeline.config.beam import BeamConfig, LocalBeam
from pipeline.config.kubeflow import KubeflowConfig
from pipeline.config.retrain import RetrainConfig
from serving.card.config import CardConfig
from serving.config import ServingConfig

AROUND_A_RUN = frozenset({"airflow", "beam", "kubeflow", "retrain"})
"""Config sections that do not affect the model: schedules, machines and notifications."""


_NAME = "[A-Za-z0-9_-]+"


class Config(Strict):
    """The whole config file.

    Attributes:
      name: Name of the pipeline and of the served model.
      workspace: Folder for all files that the pipeline writes, local or in a bucket (`gs://…`); a
        relative path is resolved against the current folder. If the folder is in a bucket, runs on
        this machine keep their ML Metadata records and logs in the local folder
        `runs/gs/BUCKET/…`.
      data: The data set (source, classes and splits), and the size of the network's input.
      model: Architecture and initial weights of the network.
      training: Training settings.
      tuner: Hyperparameter search before training; null for no search.
      evaluation: Additional slices of the test split on which to compute metrics.
      gate: Conditions that a model must meet on the test split before it is pushed.
      serving: Settings of the served model, and checks that it must pass before it is pushed.
      card: Texts for the model card, which is pushed with each model.
      beam: Beam runner for ingestion, statistics and evaluation.
      retrain: Artifacts that `unetfx retrain` keeps, and recipients of its notifications.
      airflow: Schedule and retries for runs on Airflow; null if Airflow is not used.
      kubeflow: Container image and resources for runs on Kubeflow Pipelines or Vertex AI; null if
        neither is used.
    """

    name: Annotated[str, Field(pattern=f"^{_NAME}$")]
    workspace: OutputPath = "runs"
    data: DataConfig
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    tuner: TunerConfig | None = None
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GateConfig
    serving: ServingConfig = ServingConfig()
    card: CardConfig = CardConfig()
    beam: BeamConfig = LocalBeam()
    retrain: RetrainConfig = RetrainConfig()
    airflow: AirflowConfig | None = None
    kubeflow: KubeflowConfig | None = None

    @field_validator("name", mode="before")
    @classmethod
    def _is_a_safe_name(cls, name: object) -> object:
        if isinstance(name, str) and not re.fullmatch(_NAME, name):
            raise ValueError(
                f"should have only the letters A to Z and a to z, digits, _ and -, found {name!r}"
            )
        return name

    @model_validator(mode="after")
    def _workspace_is_no_pattern(self) -> Self:
        if fault := fault_of_workspace(self.root):
            raise ValueError(
                f"workspace: {fault}. Choose a folder without these characters in its path"
            )
        return self

    @model_validator(mode="after")
    def _gate_names_known_classes_and_metrics(self) -> Self:
        classes, gate = self.data.classes, self.gate
        self._refuse_unknown_classes("gate.class_iou", gate.class_iou)
        known = floor_metrics(classes)
        floors = {"gate.floors": gate.floors}
        floors |= {f"gate.slices.{name}": metrics for name, metrics in gate.slices.items()}
        for key, metrics in floors.items():
            for metric in metrics:
                if metric not in known:
                    raise ValueError(
                        f"{key}: {metric} cannot have a floor{nearest(metric, known)}. Choose from "
                        f"{listed(known)}"
                    )
        return self

    @model_validator(mode="after")
    def _slices_name_known_features(self) -> Self:
        features_text = listed(self._sliceable_features())
        for name in self.gate.slices:
            if not self._is_sliceable(parse_slice(name)[0]) or "=" not in name:
                raise ValueError(
                    f"gate.slices.{name}: should be feature=value, with one of the features "
                    f"{features_text}"
                )
        for name in self.evaluation.slices:
            if not self._is_sliceable(name):
                raise ValueError(
                    f"evaluation.slices: unknown feature {name}. Choose from {features_text}"
                )
        return self

    def _is_sliceable(self, feature: str) -> bool:
        source, column = self.data.source, column_of(feature)
        if column is None:
            return feature in sliceable(self.data.classes)
        # Without `data.source.columns`, all columns of the manifest are read. The config does not
        # contain their names, so any name is accepted here.
        return isinstance(source, ManifestSource) and (
            source.columns is None or column in source.columns
        )

    def _sliceable_features(self) -> list[str]:
        """Returns the sliceable features, for error messages; `column/<name>` means any column."""
        source, names = self.data.source, sliceable(self.data.classes)
        if not isinstance(source, ManifestSource):
            return names
        columns = ["<name>"] if source.columns is None else source.columns
        return [*names, *map(features.column, columns)]

    @model_validator(mode="after")
    def _class_weights_name_known_classes(self) -> Self:
        weights = self.training.class_weights
        if weights != "balanced":
            self._refuse_unknown_classes("training.class_weights", weights)
        return self

    def _refuse_unknown_classes(self, key: str, names: Iterable[str]) -> None:
        classes = self.data.classes
        unknown = sorted(set(names) - set(classes))
        if unknown:
            raise ValueError(
                f"{key}: {listed(unknown)} is not among the classes: {listed(classes)}"
            )

    @model_validator(mode="after")
    def _training_fits_the_view(self) -> Self:
        training, view = self.training, self.data.view.kind
        without_effect = {
            "training.crops_per_image": view != "crop"
            and training.crops_per_image not in ("auto", 1),
            "training.class_aware_crops": view != "crop" and training.class_aware_crops > 0,
            "training.augmentation.translation": view == "crop"
            and training.augmentation.translation > 0,
        }
        for key, is_without_effect in without_effect.items():
            if is_without_effect:
                raise ValueError(f"{key}: has no effect with data.view.kind {view}. Remove it")
        return self

    @model_validator(mode="after")
    def _trials_are_longer_than_the_warmup(self) -> Self:
        warmup = self.training.warmup_epochs
        if self.tuner and warmup > self.tuner.epochs:
            raise ValueError(
                f"tuner.epochs: should be at least training.warmup_epochs ({warmup:g}), found "
                f"{self.tuner.epochs}"
            )
        return self

    @property
    def columns_to_slice_by(self) -> list[str]:
        """Names of the manifest columns that `evaluation.slices` and `gate.slices` use."""
        gate_features = [parse_slice(name)[0] for name in self.gate.slices]
        columns = map(column_of, [*self.evaluation.slices, *gate_features])
        return list(dict.fromkeys(name for name in columns if name is not None))

    @property
    def root(self) -> str:
        """Path or URL of the folder for all files that this pipeline writes."""
        return join(_absolute(self.workspace), self.name)

    @property
    def home(self) -> Path:
        """Local folder for the records in ML Metadata, the lock, the logs and the page of a check.

        This folder is `root` if `root` is local. If `root` is `gs://bucket/folder/name`, this
        folder is `runs/gs/bucket/folder/name` in the current folder.
        """
        scheme, _, path = self.root.rpartition("://")
        return Path("runs", scheme, path).absolute() if scheme else Path(path)

    @property
    def artifacts_folder(self) -> str:
        """Folder, local or remote, for the output artifacts of all components."""
        return join(self.root, "artifacts")

    @property
    def source_folder(self) -> Path:
        """Folder to which some kinds of data sources write image and mask files."""
        # If the workspace is remote, each component may run in a container of its own, so the files
        # are written to a fixed folder on the local disk.
        parent = Path("/tmp/unetfx", self.name) if is_remote(self.workspace) else self.home  # noqa: S108
        return parent / self.data.source.kind

    @property
    def listing_folder(self) -> str:
        """Folder, local or remote, of the list of pairs that is kept between runs."""
        return join(self.root, "listing")

    @property
    def schema_file(self) -> str:
        """Path or URL of the user's TFDV schema; if the file does not exist, a run creates it."""
        path = self.data.schema_file
        return _absolute(path) if path else join(self.root, "schema.pbtxt")

    @property
    def check_folder(self) -> Path:
        """Folder to which `unetfx check` writes its findings and its page."""
        return self.home / "check"

    @property
    def labels_folder(self) -> Path:
        """Folder to which `unetfx labels` writes its table and its page."""
        return self.home / "labels"

    @property
    def verdicts_file(self) -> str:
        """Path or URL of the file that keeps people's verdicts on masks."""
        return join(self.root, "labels/verdicts.json")

    @property
    def serving_folder(self) -> str:
        """Path or URL of the folder that TF Serving watches, with a sub-folder for each version."""
        return _absolute(self.serving.push_to or join(self.root, f"serving/{self.name}"))

    @property
    def reports_folder(self) -> str:
        """Folder, local or remote, for published reports, with a sub-folder for each report."""
        return join(self.root, "reports")


def fault_of_workspace(path: str) -> str | None:
    """Returns the reason why a workspace cannot have a path, or None if it can."""
    found = sorted(set("[]*?").intersection(path))
    if not found:
        return None
    return f"TFX reads the path {path} as a pattern, because it contains {' '.join(found)}"


def _absolute(path: str) -> str:
    return path if is_remote(path) else str(Path(path).absolute())
