"""Exports a trained network as the SavedModel that is served."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from data.config import View
from serving.config import MAX_PIXELS
from serving.model.description import write_description
from serving.model.graph import ServingGraph
from serving.model.warmup import write_warmup_requests
from serving.signature import EVALUATION, PROBABILITIES, SIGNATURE


def export_saved_model(
    network: keras.Model,
    path: str,
    *,
    classes: Sequence[str],
    view: View,
    intensity_range: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Writes a SavedModel that TensorFlow can load without Keras and without this project.

    The sub-folder `assets.extra` holds a description of the model, and warm-up requests for TF
    Serving.

    Args:
      network: Network that maps float32 images [batch, height, width, 3] in 0..255 to float32
        logits [batch, height, width, C].
      path: Folder to write the SavedModel to.
      classes: Names of the C classes.
      view: Form in which the network gets an image. With a resize view, images are resized to the
        view's size. With a crop view, a window slides over the image at its own resolution.
      intensity_range: The sample values of 16-bit images that become 0 and 255; None to use the
        upper 8 of the 16 bits.
      max_pixels: Maximum number of pixels in an image; larger images are rejected before decoding.
      config: Model and training settings, which are stored in the description.
    """
    graph = ServingGraph(network, len(classes), view, intensity_range, max_pixels)
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
            # The SavedModel's checkpoint contains only the numbers of the weights, not their names.
            "weights": [weight.path for weight in network.weights],
        },
    )
    write_warmup_requests(path, view)
