"""The `beam:` section of a config file: where the Beam jobs of the pipeline run.

Ingestion, statistics and evaluation are Beam jobs. `docs/beam.md` describes what each profile
needs.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.config import Strict

OptionValue = str | int | float | bool | list[str]
"""True sets a flag, False omits it, and a list gives an option several times."""
# This option tells TFX that the workers already have the code; otherwise TFX builds a package of
# itself for every Beam job. Local workers and those of this repository's image have the code.
_WORKERS_HAVE_THE_CODE = {"sdk_container_image": "none"}


def _address(prefix: str) -> BeforeValidator:
    """Returns a validator for an address: the prefix followed by `host:port`."""

    def is_address(value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(rf"{prefix}[^/:\s]+:\d{{1,5}}", value):
            raise ValueError(f"should be {prefix}host:port, found {value!r}")
        return value

    return BeforeValidator(is_address)


_Address = Annotated[str, _address("")]


class _Profile(Strict):
    """The keys of every profile.

    Attributes:
      options: More options for Beam, named without the leading dashes, such as `parallelism: 4`.
        They override the options that the profile sets.
    """

    options: Mapping[str, OptionValue] = {}

    @field_validator("options")
    @classmethod
    def _names_have_no_dashes(cls, options: Mapping[str, OptionValue]) -> Mapping[str, OptionValue]:
        for name in options:
            if not re.fullmatch("[A-Za-z]\\w*", name):
                raise ValueError(f"{name}: should have underscores, no dashes, as in flink_version")
        return options

    def arguments(self) -> list[str]:
        """Returns the options for Beam as command-line arguments."""
        arguments = []
        for name, value in (self._own_options() | dict(self.options)).items():
            if isinstance(value, bool):
                arguments += [f"--{name}"] if value else []
            else:
                values = value if isinstance(value, list) else [value]
                arguments += [f"--{name}={each}" for each in values]
        return arguments

    def _own_options(self) -> dict[str, OptionValue]:
        raise NotImplementedError


class LocalBeam(_Profile):
    """This machine with all its cores.

    One Beam worker is enough: ingestion decodes in one process for each core, and TensorFlow uses
    one thread for each core. More workers would only load TensorFlow several times.
    """

    profile: Literal["local"] = "local"

    def _own_options(self) -> dict[str, OptionValue]:
        return {
            "runner": "DirectRunner",
            "direct_running_mode": "in_memory",
            "direct_num_workers": 1,
            **_WORKERS_HAVE_THE_CODE,
        }


class _Cluster(_Profile):
    """The keys of every runner that is used through a Beam job server.

    Attributes:
      worker_pool: `host:port` of a Beam worker pool that runs beside each worker of the cluster, as
        seen from there. It needs the packages of this repository.
      image: Container image with the packages of this repository, which each worker of the cluster
        starts with Docker. Without `worker_pool` and `image`, the Python code runs in this process,
        which the workers of the cluster must be able to reach.
    """

    worker_pool: _Address | None = None
    image: str | None = None

    @model_validator(mode="after")
    def _one_environment(self) -> Self:
        if self.worker_pool and self.image:
            raise ValueError("give either worker_pool or image, not both")
        return self

    def _own_options(self) -> dict[str, OptionValue]:
        return {**self._engine(), **self._environment()}

    def _engine(self) -> dict[str, OptionValue]:
        raise NotImplementedError

    def _environment(self) -> dict[str, OptionValue]:
        if self.image:
            return {
                "environment_type": "DOCKER",
                "environment_config": self.image,
                "sdk_container_image": self.image,
            }
        if self.worker_pool:
            return {
                "environment_type": "EXTERNAL",
                "environment_config": self.worker_pool,
                **_WORKERS_HAVE_THE_CODE,
            }
        return {"environment_type": "LOOPBACK", **_WORKERS_HAVE_THE_CODE}


class FlinkBeam(_Cluster):
    """Apache Flink. Beam downloads its job server from Maven Central and starts it here with Java.

    Attributes:
      master: `host:port` of the REST interface of the cluster; the usual port is 8081.
    """

    profile: Literal["flink"]
    master: _Address

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "FlinkRunner", "flink_master": self.master}


class SparkBeam(_Cluster):
    """Apache Spark. Beam downloads its job server from Maven Central and starts it here with Java.

    Attributes:
      master: `spark://host:port` of the cluster; the usual port is 7077.
    """

    profile: Literal["spark"]
    master: Annotated[str, _address("spark://")]

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "SparkRunner", "spark_master_url": self.master}


class PortableBeam(_Cluster):
    """Any runner with a Beam job server that is running already: Flink, Spark or Prism.

    Attributes:
      job_server: `host:port` of the job server.
    """

    profile: Literal["portable"]
    job_server: _Address

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "PortableRunner", "job_endpoint": self.job_server}


class DataflowBeam(_Profile):
    """Google Cloud Dataflow.

    Attributes:
      project: Name of the Google Cloud project.
      region: Region of the workers, such as `europe-west4`.
      temp_location: Folder in Google Cloud Storage for intermediate files, `gs://bucket/folder`.
      image: Container image for the workers, with the packages of this repository.
    """

    profile: Literal["dataflow"]
    project: str
    region: str
    temp_location: Annotated[str, Field(pattern=r"^gs://[^/]+/.+")]
    image: str

    def _own_options(self) -> dict[str, OptionValue]:
        return {
            "runner": "DataflowRunner",
            "project": self.project,
            "region": self.region,
            "temp_location": self.temp_location,
            "sdk_container_image": self.image,
        }


BeamConfig = Annotated[
    LocalBeam | FlinkBeam | SparkBeam | PortableBeam | DataflowBeam, Field(discriminator="profile")
]
