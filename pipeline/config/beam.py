"""The `beam` part of a config file: on what engine the Beam jobs of the pipeline run.

Ingestion, statistics and evaluation are Beam jobs. `docs/beam.md` says what each profile needs.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from typing_extensions import Self

from data.config import Strict

OptionValue = str | int | float | bool | list[str]
"""True sets a flag, False leaves it out, a list gives an option several times."""
# TFX packs itself up at the start of every Beam job unless something says where workers find the
# code. Workers that are started here, or from our own image, have it.
_CODE_IS_THERE = {"sdk_container_image": "none"}


def _address(prefix: str) -> BeforeValidator:
    """Demands an address: the prefix, then `host:port`."""

    def is_address(found: object) -> object:
        if not isinstance(found, str) or not re.fullmatch(rf"{prefix}[^/:\s]+:\d{{1,5}}", found):
            raise ValueError(f"should be {prefix}host:port, found {found!r}")
        return found

    return BeforeValidator(is_address)


_Address = Annotated[str, _address("")]


class _Profile(Strict):
    """What every profile has.

    Attributes:
      options: Beam's own options, without dashes, as in `parallelism: 4`; they win over those of
        the profile.
    """

    options: Mapping[str, OptionValue] = {}

    @field_validator("options")
    @classmethod
    def _names_have_no_dashes(cls, options: Mapping[str, OptionValue]) -> Mapping[str, OptionValue]:
        for name in options:
            if not re.fullmatch("[A-Za-z]\\w*", name):
                raise ValueError(f"{name}: an option's name is written with underscores alone")
        return options

    def arguments(self) -> list[str]:
        """Returns what Beam is told, as a command line would."""
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
    """This machine, and all its cores.

    Ingestion decodes in a process for each core, TensorFlow computes in a thread for each, so one
    worker keeps them all busy; more workers would only load TensorFlow again.
    """

    profile: Literal["local"] = "local"

    def _own_options(self) -> dict[str, OptionValue]:
        return {
            "runner": "DirectRunner",
            "direct_running_mode": "in_memory",
            "direct_num_workers": 1,
            **_CODE_IS_THERE,
        }


class _Cluster(_Profile):
    """What every engine has that is reached through a Beam job server.

    Attributes:
      worker_pool: `host:port` of the worker pool that stands beside each of the engine's workers,
        as they see it. It has to be started with our packages installed.
      image: Container image with our packages, which each of the engine's workers starts with
        Docker. With neither of the two, the Python code runs in this process, and the engine must
        reach it.
    """

    worker_pool: _Address | None = None
    image: str | None = None

    @model_validator(mode="after")
    def _one_environment(self) -> Self:
        if self.worker_pool and self.image:
            raise ValueError("give either worker_pool or image: workers have one environment")
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
                **_CODE_IS_THERE,
            }
        return {"environment_type": "LOOPBACK", **_CODE_IS_THERE}


class FlinkBeam(_Cluster):
    """Apache Flink; Beam fetches its job server from Maven Central and starts it here, with Java.

    Attributes:
      master: `host:port` of the cluster's REST interface, 8081 as a rule.
    """

    profile: Literal["flink"]
    master: _Address

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "FlinkRunner", "flink_master": self.master}


class SparkBeam(_Cluster):
    """Apache Spark; Beam fetches its job server from Maven Central and starts it here, with Java.

    Attributes:
      master: `spark://host:port`, 7077 as a rule.
    """

    profile: Literal["spark"]
    master: Annotated[str, _address("spark://")]

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "SparkRunner", "spark_master_url": self.master}


class PortableBeam(_Cluster):
    """Any engine whose Beam job server runs already: Flink's, Spark's, Prism.

    Attributes:
      job_server: `host:port` of its job service.
    """

    profile: Literal["portable"]
    job_server: _Address

    def _engine(self) -> dict[str, OptionValue]:
        return {"runner": "PortableRunner", "job_endpoint": self.job_server}


class DataflowBeam(_Profile):
    """Google Cloud Dataflow.

    Attributes:
      project: The Google Cloud project.
      region: Where the workers run, as in `europe-west4`.
      temp_location: Folder on Google Cloud Storage for what is between two stages of a job.
      image: Container image with our packages, for the workers.
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
