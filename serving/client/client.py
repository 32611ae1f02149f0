"""A client of model servers: TF Serving, and the local server."""

from collections.abc import Container, Sequence
from types import TracebackType
from urllib.parse import urlsplit

import grpc
import tenacity
from typing_extensions import Self

from data.errors import InputError
from serving.client.grpc import GrpcTransport
from serving.client.protocol import ModelAddress, ServingError, Transport, VersionStatus
from serving.client.rest import RestTransport
from serving.prediction import Prediction, predictions_of
from serving.signature import CLASS_FRACTION, CONFIDENCE, MASKS

GRPC_PORT = 8500
_LONGEST_WAIT = 4.0  # seconds


class ServingClient:
    """Asks a model server to segment images. Threads may share it.

    Over REST it needs no TensorFlow. TF Serving's gRPC messages hold TensorFlow's own, so the first
    answer over gRPC takes the seconds that TensorFlow needs to load.

    Attributes:
      classes: Names of the classes, by class id.

    Example:
      >>> with ServingClient("http://localhost:8501", "cells", ["background", "cell"]) as client:
      ...     (prediction,) = client.predict([Path("07.png").read_bytes()])
    """

    def __init__(
        self,
        url: str,
        name: str,
        classes: Sequence[str],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 60.0,
        attempts: int = 5,
        first_wait: float = 0.25,
    ) -> None:
        """Connects nothing yet.

        Args:
          url: `http://host:8501` or `https://…` for REST, `grpc://host:8500` for gRPC.
          name: The model's.
          classes: Names of its classes, by class id: the protocols do not tell them.
          version: A version of the model; None for the newest, or the label's.
          label: The label of a version (`stable`, `canary`), if no version is given.
          timeout: Seconds that the server may take to answer.
          attempts: How often a request is sent at most. It is sent again if the server cannot be
            reached, is overloaded (429, 503), or takes too long (504): a prediction changes
            nothing, so it may be asked for twice.
          first_wait: Seconds between the first two attempts; the pause doubles each time, and a
            random part is added, lest many clients come back at once.

        Raises:
          InputError: The address is none, or both a version and a label are given.
        """
        if version is not None and label is not None:
            raise InputError("Give the model's version or a label, not both.")
        self.classes = list(classes)
        self.url = url
        self._transport = _transport(url, ModelAddress(name, version, label), timeout)
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(attempts),
            wait=tenacity.wait_exponential_jitter(first_wait, _LONGEST_WAIT, jitter=first_wait),
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )

    def predict(self, images: Sequence[bytes]) -> list[Prediction]:
        """Segments images.

        Args:
          images: The bytes of PNG, JPEG, BMP or GIF files, of any sizes, upright: the server does
            not look at EXIF orientation. `data.images.load_image` turns them.

        Returns:
          A Prediction for each.

        Raises:
          ServingError: The server cannot be reached, refuses, or serves another kind of model.
        """
        outputs = self._retrying(self._transport.predict, images)
        self._expect_outputs(outputs)
        try:
            predictions = predictions_of(
                outputs[MASKS], outputs[CLASS_FRACTION], outputs[CONFIDENCE]
            )
        except ValueError as error:
            raise self._other_model(f"{error}") from error
        if len(predictions) != len(images):
            raise self._other_model(f"{len(predictions)} answers for {len(images)} images")
        for prediction in predictions:
            self._expect_classes(len(prediction.class_fraction))
        return predictions

    def check(self) -> None:
        """Asks whether the server has such a model, with these classes.

        Raises:
          ServingError: The server cannot be reached, has no such model, version or label, or
            serves another kind of model.
        """
        shapes = self._retrying(self._transport.output_shapes)
        self._expect_outputs(shapes)
        for known in (size for size in shapes[CLASS_FRACTION][1:] if size >= 0):
            self._expect_classes(known)

    def status(self) -> list[VersionStatus]:
        """Asks for the state of the model's versions.

        Returns:
          Every version that the server knows, or the one that was asked for. Labels are not looked
          at, as in TF Serving.

        Raises:
          ServingError: The server cannot be reached, or has no such model.
        """
        return self._retrying(self._transport.status)

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _expect_outputs(self, found: Container[str]) -> None:
        missing = [name for name in (MASKS, CLASS_FRACTION, CONFIDENCE) if name not in found]
        if missing:
            raise self._other_model(f"it does not answer with {', '.join(missing)}")

    def _expect_classes(self, found: int) -> None:
        if found != len(self.classes):
            raise self._other_model(
                f"it has {found} classes, expected the {len(self.classes)} of {self.classes}"
            )

    def _other_model(self, reason: str) -> ServingError:
        return ServingError(
            self.url,
            f"not the model that was expected: {reason}",
            grpc.StatusCode.FAILED_PRECONDITION,
        )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ServingError) and error.passing


def _transport(url: str, model: ModelAddress, timeout: float) -> Transport:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https", "grpc"):
        raise InputError(
            f"{url}: no address of a server. Expected http://host:8501, https://… or "
            f"grpc://host:{GRPC_PORT}"
        )
    if parts.scheme != "grpc":
        return RestTransport(url, model, timeout)
    host = f"[{host}]" if ":" in host else host
    return GrpcTransport(f"{host}:{port or GRPC_PORT}", model, timeout)
