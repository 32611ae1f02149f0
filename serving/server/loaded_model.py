"""Loads a SavedModel into a TensorFlow session, as TF Serving does, and runs its signatures."""

import ctypes
import gc
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from data.errors import MissingFileError
from data.files.finding import is_file
from serving.config import MAX_PIXELS
from serving.model.description import model_description
from serving.model.tf_errors import tf_error_text
from serving.model.warmup import WARMUP_REQUESTS
from serving.server.errors import RequestError, code_of, timed_out, unknown_signature
from serving.server.json_format import InputTypes
from serving.server.tensors import arrays_of, check_tensors
from serving.signature import SIGNATURE, Arrays

_MAX_BYTES = 2**30  # maximum size of a tensor in a warm-up request
_WARMUP_SECONDS = 600.0


class LoadedModel:
    """A SavedModel in memory, ready to run.

    Attributes:
      signatures: SignatureDefs, keyed by signature name.
      input_types: Types of the inputs of each signature, for `json_format.read_request`.
      classes: Class names, indexed by class id; empty if the model has no description file.
      max_pixels: Maximum number of pixels in an image.
      path: Folder of the SavedModel.
    """

    def __init__(self, path: str) -> None:
        """Loads a SavedModel and runs its warm-up requests.

        Args:
          path: Folder of the SavedModel.

        Raises:
          OSError, ValueError, RequestError, tf.errors.OpError: The model cannot be loaded, or a
            warm-up request fails.
        """
        self.path = path
        # As in TF Serving, the model runs in a session, so that a run can be stopped and the memory
        # can be freed by closing the session.
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=_session_config())
        try:
            with self._session.graph.as_default():
                loaded = tf.compat.v1.saved_model.load(
                    self._session, [tf.saved_model.SERVING], path
                )
            self._session.graph.finalize()
            self.signatures = dict(loaded.signature_def)
            self.input_types = _input_types(self.signatures)
            description = _description(path)
            self.classes: list[str] = description.get("classes", [])
            self.max_pixels: int = description.get("max_pixels", MAX_PIXELS)
            self._warm_up(os.path.join(path, WARMUP_REQUESTS))
        except BaseException:
            self._session.close()
            raise

    def signature(self, name: str) -> Any:
        """Finds a signature by name.

        Args:
          name: Name of the signature.

        Returns:
          The SignatureDef.

        Raises:
          RequestError: The model has no such signature.
        """
        if name not in self.input_types:
            raise unknown_signature(name, self.input_types)
        return self.signatures[name]

    def run(self, name: str, inputs: Arrays, seconds: float) -> dict[str, npt.NDArray[Any]]:
        """Runs a signature of the model.

        Args:
          name: Name of the signature.
          inputs: Input arrays, keyed by name.
          seconds: Timeout in seconds, after which the run is stopped.

        Returns:
          The outputs, keyed by name.

        Raises:
          RequestError: There is no such signature, the inputs do not match the signature, or the
            run fails or times out.
        """
        signature = self.signature(name)
        check_tensors(inputs, signature, name)
        if seconds <= 0:
            raise timed_out()
        try:
            outputs: dict[str, npt.NDArray[Any]] = self._session.run(
                {key: info.name for key, info in signature.outputs.items()},
                {info.name: inputs[key] for key, info in signature.inputs.items()},
                tf.compat.v1.RunOptions(timeout_in_ms=max(1, int(1000 * seconds))),
            )
        except tf.errors.DeadlineExceededError as error:
            raise timed_out() from error
        except tf.errors.OpError as error:
            raise RequestError(code_of(error.error_code), tf_error_text(error)) from error
        return outputs

    def close(self) -> None:
        """Frees the session's memory, and unused memory that Python and the C library retain."""
        self._session.close()
        del self._session
        gc.collect()
        # glibc retains the memory that TensorFlow's threads have freed until `malloc_trim` is
        # called. Other C libraries may lack this function.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)

    def _warm_up(self, file: str) -> None:
        if not is_file(file):
            return
        for record in tf.data.TFRecordDataset(file).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            name = request.model_spec.signature_name or SIGNATURE
            self.run(name, arrays_of(request.inputs, _MAX_BYTES), _WARMUP_SECONDS)


def _input_types(signatures: Mapping[str, Any]) -> InputTypes:
    # The names of TensorFlow's own signatures, which initialise a model, start with underscores.
    return {
        name: {
            key: np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype)
            for key, info in signature.inputs.items()
        }
        for name, signature in signatures.items()
        if not name.startswith("__")
    }


def _session_config() -> Any:
    config = tf.compat.v1.ConfigProto()
    # Batches run one at a time, each on all cores, so more inter-op threads would only compete for
    # the cores.
    config.intra_op_parallelism_threads = len(os.sched_getaffinity(0))
    config.inter_op_parallelism_threads = 2
    # While a new version replaces an old one, both are in GPU memory, so neither may reserve all of
    # it.
    config.gpu_options.allow_growth = True
    return config


def _description(path: str) -> dict[str, Any]:
    try:
        return model_description(path)
    except MissingFileError:  # models that were not exported by unetfx have no description
        return {}
