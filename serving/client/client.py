"""A client for model servers: TF Serving or the local server."""

from collections.abc import Callable, Container, Sequence
from types import TracebackType
from urllib.parse import urlsplit

import grpc
import tenacity
from typing_extensions import Self

from data.errors import InputError, listed
from data.rasters.images import as_png_or_jpeg
from serving.client.grpc import GrpcTransport
from serving.client.protocol import (
    ModelAddress,
    NotReadyError,
    ServingError,
    Transport,
    VersionStatus,
)
from serving.client.rest import RestTransport
from serving.config import MAX_PIXELS
from serving.prediction import Prediction, predictions_of
from serving.signature import CLASS_FRACTION, CONFIDENCE, MASKS

GRPC_PORT = 8500
_LONGEST_WAIT = 4.0  # maximum number of seconds between two attempts
_LONGEST_WAIT_TO_START = 1.0  # the same while the server starts


class ServingClient:
    """Segments images by sending requests to a model server. Several threads may share a client.

    REST does not need TensorFlow. TF Serving's gRPC messages contain TensorFlow message types, so
    the first gRPC request imports TensorFlow, which takes a few seconds.

    Attributes:
      classes: Class names, indexed by class id.
      url: Address of the server.

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
        """Creates a client without connecting to the server.

        Args:
          url: Address of the server: `http://host:8501` or `https://…` for REST, or
            `grpc://host:8500` for gRPC.
          name: Name of the model.
          classes: Class names, indexed by class id. The names are needed here because model servers
            do not send them.
          version: Version number. None selects the version with the given label or, if there is no
            label, the newest version.
          label: Label of the version, such as `stable`. Only one of `version` and `label` may be
            given.
          timeout: Seconds to wait for a response before an attempt fails.
          attempts: Maximum number of attempts per request. A request is sent again if the server
            drops the connection, is overloaded (HTTP 429 or 503) or takes too long (HTTP 504).
            Repeating a prediction is safe.
          first_wait: Minimum wait between the first two attempts, in seconds. The wait doubles
            after each further attempt, up to 4 seconds. Up to `first_wait` seconds are added at
            random, so that clients do not all retry at the same moment.

        Raises:
          InputError: The URL is invalid, or both a version and a label are given.
        """
        if version is not None and label is not None:
            raise InputError("Give the model's version or a label, not both.")
        self.classes = list(classes)
        self.url = url
        self._transport = _transport(url, ModelAddress(name, version, label), timeout)
        self._timeout, self._attempts, self._first_wait = timeout, attempts, first_wait
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(attempts),
            wait=tenacity.wait_exponential_jitter(first_wait, _LONGEST_WAIT, jitter=first_wait),
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        )

    def predict(self, images: Sequence[bytes]) -> list[Prediction]:
        """Segments images with a single request to the server.

        Args:
          images: Contents of image files of any size. BMP, GIF, TIFF and WebP files are converted
            to PNG, because models read only PNG and JPEG. The server ignores the EXIF orientation
            of PNG and JPEG files; to apply it, load the images with
            `data.rasters.images.load_image`.

        Returns:
          One `Prediction` for each image, in the same order.

        Raises:
          InputError: A file to convert cannot be read, or has too many pixels.
          ServingError: The server cannot be reached, rejects the request, or serves a model whose
            outputs differ from those expected.
        """
        sent = [
            as_png_or_jpeg(image, f"image {position}", MAX_PIXELS)
            for position, image in enumerate(images)
        ]
        outputs = self._retrying(self._transport.predict, sent)
        self._expect_outputs(outputs)
        try:
            predictions = predictions_of(
                outputs[MASKS], outputs[CLASS_FRACTION], outputs[CONFIDENCE]
            )
        except ValueError as error:
            raise self._other_model(f"{error}") from error
        if len(predictions) != len(images):
            raise self._other_model(f"{len(predictions)} predictions for {len(images)} images")
        for prediction in predictions:
            self._expect_classes(len(prediction.class_fraction))
        return predictions

    def check(self, on_wait: Callable[[], None] | None = None) -> None:
        """Checks that the server has the model, with the expected outputs and number of classes.

        While the server answers that it serves no version yet (HTTP 503 or UNAVAILABLE), the check
        is repeated, for up to `timeout` seconds.

        Args:
          on_wait: Function that is called once if the server serves no version yet.

        Raises:
          ServingError: The server cannot be reached, does not have the model, version or label, or
            serves a model whose outputs differ from those expected.
        """
        announced = False

        def must_stop(state: tenacity.RetryCallState) -> bool:
            nonlocal announced
            error = state.outcome.exception() if state.outcome else None
            if not isinstance(error, NotReadyError):
                return state.attempt_number >= self._attempts
            if on_wait and not announced:
                announced = True
                on_wait()
            return (state.seconds_since_start or 0) >= self._timeout

        wait = tenacity.wait_exponential_jitter(
            self._first_wait, _LONGEST_WAIT_TO_START, jitter=self._first_wait
        )
        shapes = self._retrying.copy(stop=must_stop, wait=wait)(self._transport.output_shapes)
        self._expect_outputs(shapes)
        for size in shapes[CLASS_FRACTION][1:]:
            if size >= 0:
                self._expect_classes(size)

    def status(self) -> list[VersionStatus]:
        """Returns the status of the model's versions.

        Returns:
          The status of the client's version or, if the client has no version number, of all
          versions that the server knows. A version label is ignored.

        Raises:
          ServingError: The server cannot be reached, or does not have the model or version.
        """
        return self._retrying(self._transport.status)

    def close(self) -> None:
        """Closes the connection to the server."""
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

    def _expect_outputs(self, outputs: Container[str]) -> None:
        missing = [name for name in (MASKS, CLASS_FRACTION, CONFIDENCE) if name not in outputs]
        if missing:
            raise self._other_model(f"it has no output {', '.join(missing)}")

    def _expect_classes(self, count: int) -> None:
        if count != len(self.classes):
            raise self._other_model(
                f"it has {count} classes, expected the {len(self.classes)} of "
                f"{listed(self.classes)}"
            )

    def _other_model(self, reason: str) -> ServingError:
        return ServingError(
            self.url,
            f"not the expected model: {reason}",
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
            f"{url}: not the address of a server. Expected http://host:8501, https://… or "
            f"grpc://host:{GRPC_PORT}"
        )
    if parts.scheme != "grpc":
        return RestTransport(url, model, timeout)
    host = f"[{host}]" if ":" in host else host
    return GrpcTransport(f"{host}:{port or GRPC_PORT}", model, timeout)
