"""A model's version in memory, as TF Serving holds it: a session, and its signatures."""

import ctypes
import gc
import os
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.config import MAX_PIXELS
from serving.model.description import model_description
from serving.model.tf_errors import tf_error_text
from serving.model.warmup import WARMUP_REQUESTS
from serving.server.errors import Code, RequestError, code_of
from serving.server.limits import check_tensors
from serving.server.tensors import array_of
from serving.signature import SIGNATURE

_MOST_BYTES = 2**30  # of a tensor in a warm-up request
_WARMUP_SECONDS = 600.0

Arrays = Mapping[str, npt.NDArray[Any]]


class LoadedModel:
    """A version that answers.

    Attributes:
      signatures: SignatureDefs, by name.
      classes: Names of the classes, by class id; none, if the model does not tell.
      max_pixels: That an image may have.
    """

    def __init__(self, path: str) -> None:
        """Loads a version, and sends it the warm-up requests that lie in it.

        Args:
          path: Of a SavedModel.

        Raises:
          OSError, ValueError, RequestError, tf.errors.OpError: It cannot be loaded, or a warm-up
            request fails.
        """
        # A session, because it is what TF Serving runs models in: its runs can be stopped, and when
        # it is closed its memory is free.
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=_session_config())
        try:
            with self._session.graph.as_default():
                loaded = tf.compat.v1.saved_model.load(
                    self._session, [tf.saved_model.SERVING], path
                )
            self._session.graph.finalize()
            self.signatures = dict(loaded.signature_def)
            description = _description(path)
            self.classes: list[str] = description.get("classes", [])
            self.max_pixels: int = description.get("max_pixels", MAX_PIXELS)
            self._warm_up(os.path.join(path, WARMUP_REQUESTS))
        except BaseException:
            self._session.close()
            raise

    def signature(self, name: str) -> Any:
        """Returns a signature.

        Args:
          name: Its name.

        Returns:
          The SignatureDef.

        Raises:
          RequestError: There is none of that name.
        """
        if name not in self.signatures:
            raise RequestError(
                Code.INVALID_ARGUMENT,
                f'Serving signature name: "{name}" not found in signature def; there are '
                f"{', '.join(sorted(key for key in self.signatures if not key.startswith('__')))}",
            )
        return self.signatures[name]

    def run(self, name: str, inputs: Arrays, seconds: float) -> dict[str, npt.NDArray[Any]]:
        """Runs a signature.

        Args:
          name: The signature's.
          inputs: Of the types and shapes that it takes.
          seconds: After which it is stopped.

        Returns:
          Its outputs.

        Raises:
          RequestError: The graph refuses the inputs, or time is up.
        """
        signature = self.signature(name)
        check_tensors(inputs, signature, name)
        if seconds <= 0:
            raise out_of_time()
        try:
            outputs: dict[str, npt.NDArray[Any]] = self._session.run(
                {key: info.name for key, info in signature.outputs.items()},
                {info.name: inputs[key] for key, info in signature.inputs.items()},
                tf.compat.v1.RunOptions(timeout_in_ms=max(1, int(1000 * seconds))),
            )
        except tf.errors.DeadlineExceededError as error:
            raise out_of_time() from error
        except tf.errors.OpError as error:
            raise RequestError(code_of(error.error_code), tf_error_text(error)) from error
        return outputs

    def close(self) -> None:
        """Frees the memory: the session's, and what Python and the C library keep for later."""
        self._session.close()
        del self._session
        gc.collect()
        # The C library keeps what TensorFlow's threads freed. Not every C library has this.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)

    def _warm_up(self, file: str) -> None:
        if not tf.io.gfile.exists(file):
            return
        for record in tf.data.TFRecordDataset(file).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            inputs = {
                key: array_of(tensor, key, _MOST_BYTES) for key, tensor in request.inputs.items()
            }
            name = request.model_spec.signature_name or SIGNATURE
            self.run(name, inputs, _WARMUP_SECONDS)


def out_of_time() -> RequestError:
    """Returns the error of a request that took too long."""
    return RequestError(Code.DEADLINE_EXCEEDED, "the answer took too long")


def _session_config() -> Any:
    config = tf.compat.v1.ConfigProto()
    # One batch runs at a time, on all cores; what remains beside it (decoding, the requests'
    # own work) must not add a second set of threads.
    config.intra_op_parallelism_threads = len(os.sched_getaffinity(0))
    config.inter_op_parallelism_threads = 2
    config.gpu_options.allow_growth = True  # two versions are loaded while they switch
    return config


def _description(path: str) -> dict[str, Any]:
    try:
        return model_description(path)
    except tf.errors.NotFoundError:  # another project's model: it is served all the same
        return {}
