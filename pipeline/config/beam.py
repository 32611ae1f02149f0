"""The `beam:` section of a config file: the Beam runner for the Beam jobs of the pipeline.

Ingestion, statistics and evaluation are Beam jobs. `docs/beam.md` describes the requirements of
each profile.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.config import Strict

OptionValue = str | int | float | bool | list[str]
"""Value of a Beam option: true sets a flag, false omits the flag, a list repeats the option."""
# This option tells TFX that the workers already have the code. Otherwise TFX would build a package
# of itself for every Beam job. Local workers, and workers in the image of this repository, have the
# code.
_WORKERS_HAVE_THE_CODE = {"sdk_container_image": "none"}


def _address(prefix: str) -> BeforeValidator:
    """Returns a pydantic validator for an address: the prefix followed by `host:port`."""

    def is_address(value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(rf"{prefix}[^/:\s]+:\d{{1,5}}", value):
            raise ValueError(f"should be {prefix}host:port, found {value!r}")
        return value

    return BeforeValidator(is_address)


_Address = Annotated[str, _address("")]


class _Profile(Strict):
    """Keys that all Beam profiles have.

    Attributes:
      options: Additional Beam options, named without the leading dashes, such as `parallelism: 4`.
        These options override the options that the profile sets.
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
        """Returns the Beam options as command-line arguments, such as `--runner=DirectRunner`."""
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
    """Beam jobs run on this machine and use all its cores.

    One Beam worker is enough: ingestion decodes images in one process per core, and TensorFlow uses
    one thread per core. More workers would only load TensorFlow several times.
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
    """Keys that all profiles with a Beam job server have.

    Attributes:
      worker_pool: `host:port` at which each worker of the cluster reaches a Beam worker pool, such
        as `localhost:50000` for a pool on each worker. The worker pool needs the packages of this
        repository.
      image: Container image with the packages of this repository. Each worker of the cluster starts
        the image with Docker. Without `worker_pool` and `image`, the Python code runs in the
        process that starts the pipeline, and the workers of the cluster must be able to reach this
        process.
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
    """Beam jobs run on Apache Flink.

    Beam downloads the Flink job server from Maven Central and starts it on this machine with Java.

    Attributes:
      master: `host:port` of the Flink cluster's REST interface; the usual port is 8081.
    """

    profile: Literal["flink"]
    master: _Address

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "FlinkRunner", "flink_master": self.master}


class SparkBeam(_Cluster):
    """Beam jobs run on Apache Spark.

    Beam downloads the Spark job server from Maven Central and starts it on this machine with Java.

    Attributes:
      master: `spark://host:port` of the Spark cluster; the usual port is 7077.
    """

    profile: Literal["spark"]
    master: Annotated[str, _address("spark://")]

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "SparkRunner", "spark_master_url": self.master}


class PortableBeam(_Cluster):
    """Beam jobs run through a Beam job server that is already running, for Flink, Spark or Prism.

    Attributes:
      job_server: `host:port` of the Beam job server.
    """

    profile: Literal["portable"]
    job_server: _Address

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "PortableRunner", "job_endpoint": self.job_server}


class DataflowBeam(_Profile):
    """Beam jobs run on Google Cloud Dataflow.

    Attributes:
      project: Id of the Google Cloud project.
      region: Google Cloud region of the workers, such as `europe-west4`.
      temp_location: Folder in Google Cloud Storage for intermediate files, `gs://bucket/folder`.
      image: Container image for the workers; it must contain the packages of this repository.
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
