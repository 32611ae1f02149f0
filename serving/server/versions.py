"""Finds the model version for each request, and records the status of every version."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2

from serving.server.errors import Code, RequestError
from serving.server.version import Version

ModelVersionStatus = get_model_status_pb2.ModelVersionStatus


class Versions:
    """All versions of the model. Not thread-safe: use an object from a single event loop only.

    Attributes:
      name: Name of the model.
      labels: Version numbers, keyed by label.
      loaded: Loaded versions, keyed by version number.
    """

    def __init__(self, name: str, labels: Mapping[str, int]) -> None:
        """Creates an object that contains no versions yet.

        Args:
          name: Name of the model.
          labels: Version numbers, keyed by label.
        """
        self.name = name
        self.labels = labels
        self.loaded: dict[int, Version] = {}
        self._statuses: dict[int, Any] = {}

    def find(self, version: int | None = None, label: str | None = None) -> Version:
        """Finds the loaded version that a request asks for.

        Args:
          version: Version number in the request; None if the request has no number.
          label: Version label in the request; None if the request has no label.

        Returns:
          The requested version, or the newest loaded version if the request has neither a number
          nor a label.

        Raises:
          RequestError: The version is not loaded, or the label does not exist. If no version is
            loaded yet, the code is UNAVAILABLE, so that clients try again.
        """
        servable = f"Latest({self.name})"
        if label is not None:
            version = self.version_of(label)
        if version is not None:
            servable = f"Specific({self.name}, {version})"
        number = max(self.loaded, default=None) if version is None else version
        if number is None or number not in self.loaded:
            code = Code.NOT_FOUND if self.loaded else Code.UNAVAILABLE
            raise RequestError(code, f"Servable not found for request: {servable}")
        return self.loaded[number]

    def version_of(self, label: str) -> int:
        """Returns the version number that is assigned to a label.

        Args:
          label: Label of a version, such as `stable`.

        Raises:
          RequestError: The label does not exist.
        """
        if label not in self.labels:
            raise RequestError(
                Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}"
            )
        return self.labels[label]

    def check_name(self, name: str, version: int | None = None) -> None:
        """Rejects requests for a different model.

        Args:
          name: Model name in the request.
          version: Version number in the request, for the error message.

        Raises:
          RequestError: The name differs from the name of the served model.
        """
        if name != self.name:
            servable = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {servable}")

    def statuses(self, name: str, version: int | None = None) -> Sequence[Any]:
        """Returns the status of one version, or of all versions seen since the server started.

        Args:
          name: Model name in the request.
          version: Version number; None for all versions.

        Returns:
          ModelVersionStatus messages, newest version first.

        Raises:
          RequestError: The name differs from the name of the served model, or the server has not
            seen this version since it started. If it has not seen any version yet, the code is
            UNAVAILABLE, so that clients try again.
        """
        known = self._statuses if name == self.name else {}
        if version is None:
            if known:
                return [known[number] for number in sorted(known, reverse=True)]
            missing = "any versions"
        elif version in known:
            return [known[version]]
        else:
            missing = f"version {version}"
        starting = name == self.name and not known
        raise RequestError(
            Code.UNAVAILABLE if starting else Code.NOT_FOUND,
            f"Could not find {missing} of model {name}",
        )

    def set_status(self, number: int, state: int, problem: str = "") -> None:
        """Records the status of a version of the model.

        Args:
          number: Version number.
          state: State of the version, a `ModelVersionStatus.State`.
          problem: Reason why the version could not be loaded; empty if there is no problem.
        """
        status = ModelVersionStatus(version=number, state=state)
        status.status.SetInParent()
        if problem:
            status.status.error_code = tf.errors.UNKNOWN
            status.status.error_message = problem
        self._statuses[number] = status
