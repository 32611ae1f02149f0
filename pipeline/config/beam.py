"""The `beam:` section of a config file, which selects the runner for the pipeline's Beam jobs.

Ingestion, statistics and evaluation are Beam jobs. `docs/beam.md` describes what each profile
requires.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.config import Strict

OptionValue = str | int | float | bool | list[str]
"""Value of a Beam option. True sets a flag, false omits it, and a list gives the option several
times."""
# These options say that the Beam workers already have the code, as local workers and the container
# image of this repository do. For every Beam job, TFX would otherwise build a package of its own
# code, and Beam would list the installed packages.
_WORKERS_HAVE_THE_CODE = {
    "sdk_container_image": "none",
    "experiments": "disable_logging_submission_environment",
}


def _address(prefix: str) -> BeforeValidator:
    """Returns a pydantic validator for an address that consists of the prefix and `host:port`."""

    def is_address(value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(rf"{prefix}[^/:\s]+:\d{{1,5}}", value):
            raise ValueError(f"should be {prefix}host:port, found {value!r}")
        return value

    return BeforeValidator(is_address)


_Address = Annotated[str, _address("")]


class _Profile(Strict):
    """Keys that all Beam profiles have.

    Attributes:
      options: Additional Beam options, without the leading dashes, such as `parallelism: 4`. They
        override the options that the profile sets.
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
        """Returns the Beam options as command-line arguments, such as `--runner=FnApiRunner`."""
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

    The runner is `FnApiRunner`, not `DirectRunner`: for each job, Beam's `DirectRunner` would first
    try to download another runner, Prism, from GitHub, and use it if that succeeds.
    """

    profile: Literal["local"] = "local"

    def _own_options(self) -> dict[str, OptionValue]:
        return {
            "runner": "FnApiRunner",
            "direct_running_mode": "in_memory",
            "direct_num_workers": 1,
            **_WORKERS_HAVE_THE_CODE,
        }


class _Cluster(_Profile):
    """Keys that all profiles with a Beam job server have.

    Attributes:
      worker_pool: Address (`host:port`) at which each worker of the cluster reaches a Beam worker
        pool, such as `localhost:50000` if every worker has its own pool. The packages of this
        repository must be installed in the pool.
      image: Container image with the packages of this repository, which each worker of the cluster
        starts with Docker. If neither `worker_pool` nor `image` is given, the Python code runs in
        the process that starts the pipeline, and the workers must be able to reach this process.
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

    Beam downloads the Flink job server from Maven Central and starts it with Java on this machine.

    Attributes:
      master: Address (`host:port`) of the Flink cluster's REST interface; the usual port is 8081.
    """

    profile: Literal["flink"]
    master: _Address

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "FlinkRunner", "flink_master": self.master}


class SparkBeam(_Cluster):
    """Beam jobs run on Apache Spark.

    Beam downloads the Spark job server from Maven Central and starts it with Java on this machine.

    Attributes:
      master: Address (`spark://host:port`) of the Spark cluster; the usual port is 7077.
    """

    profile: Literal["spark"]
    master: Annotated[str, _address("spark://")]

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "SparkRunner", "spark_master_url": self.master}


class PortableBeam(_Cluster):
    """Beam jobs are submitted to a running Beam job server for Flink, Spark or Prism.

    Attributes:
      job_server: Address (`host:port`) of the Beam job server.
    """

    profile: Literal["portable"]
    job_server: _Address

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "PortableRunner", "job_endpoint": self.job_server}


class DataflowBeam(_Profile):
    """Beam jobs run on Google Cloud Dataflow.

    Attributes:
      project: ID of the Google Cloud project.
      region: Google Cloud region of the workers, such as `europe-west4`.
      temp_location: Google Cloud Storage folder for intermediate files, such as
        `gs://bucket/folder`.
      image: Container image for the workers, which must contain the packages of this repository.
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
