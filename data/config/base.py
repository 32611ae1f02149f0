"""Base class for the sections of the config, and types for positive numbers and for paths."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from data.files.file_systems import unknown_scheme
from data.files.path_advice import missing_path_advice


class Strict(BaseModel):
    """Immutable base class for config sections that rejects unknown keys and wrong types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite number greater than 0."""


def _can_be_read(path: str) -> str:
    return _unless(unknown_scheme(path), path)


def _can_be_written(path: str) -> str:
    fault = unknown_scheme(path, "written") or missing_path_advice(path, "the current folder")
    return _unless(fault, path)


def _unless(fault: str | None, path: str) -> str:
    if fault:
        raise ValueError(f"{fault.removesuffix('.')}, found {path!r}")
    return path


InputPath = Annotated[str, AfterValidator(_can_be_read)]
"""Path of a file or folder to read, local or on a remote file system that can be read."""
OutputPath = Annotated[str, AfterValidator(_can_be_written)]
"""Path of a file or folder to write, which must not look like a path of a shell or of Windows."""
