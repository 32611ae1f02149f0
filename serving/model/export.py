"""Exports a trained network as a SavedModel for serving."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from data.config import View
from data.examples import features
from data.input_pipeline.dataset import read_serialized
from serving.config import MAX_PIXELS, Flips
from serving.model.description import write_description
from serving.model.graph import ServingGraph
from serving.model.warmup import write_warmup_requests
from serving.signature import EVALUATION, IMAGE_STATISTICS, PROBABILITIES, SIGNATURE


def export_saved_model(
    network: keras.Model,
    path: str,
    *,
    classes: Sequence[str],
    view: View,
    intensity_range: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    flips: Flips = "none",
    confidence_map: bool = False,
    val_files: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    flops: int | None = None,
) -> None:
    """Writes a SavedModel that TensorFlow can load without Keras and without this project's code.

    The `assets.extra` sub-folder contains a description of the model and warm-up requests for TF
    Serving.

    Args:
      network: Network that maps float32 images [batch, height, width, 3] in 0..255 to float32
        logits [batch, height, width, C].
      path: Folder to write the SavedModel to.
      classes: Names of the C classes, indexed by class id.
      view: Form in which the network receives an image. With a `ResizeView`, each image is resized
        to the view's size. With a `CropView`, a window of the view's size slides over the image at
        its original resolution.
      intensity_range: The two 16-bit sample values that are mapped to 0 and 255; None to use only
        the upper 8 bits of each sample.
      max_pixels: Maximum number of pixels in an image; larger images are rejected before they are
        decoded.
      flips: Flips over which the probabilities are averaged.
      confidence_map: Whether `serving_default` also returns the confidence of each pixel.
      val_files: Path patterns of the TFRecord files on which the temperature is fitted; empty for
        the temperature 1.
      config: Model and training settings to store in the description.
      flops: Number of floating-point operations for one input of the network, to store in the
        description; None if unknown.
    """
    graph = ServingGraph(
        network, len(classes), view, intensity_range, max_pixels, flips, confidence_map
    )
    temperature = graph.fit_temperature(read_serialized(val_files)) if val_files else 1.0
    signatures = {name: getattr(graph, name) for name in (SIGNATURE, PROBABILITIES, EVALUATION)}
    tf.saved_model.save(graph, path, signatures=signatures)
    write_description(
        path,
        {
            "classes": list(classes),
            "view": view.model_dump(),
            "intensity_range": intensity_range,
            "max_pixels": max_pixels,
            "config": config,
            IMAGE_STATISTICS: list(features.IMAGE_STATISTICS),
            "flops": flops,
            "temperature": temperature,
            # The SavedModel's checkpoint identifies weights only by index, so their names are
            # stored here.
            "weights": [weight.path for weight in network.weights],
        },
    )
    write_warmup_requests(path, view)
