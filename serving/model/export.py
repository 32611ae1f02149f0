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
    """Writes a SavedModel that plain TensorFlow loads, without Keras and without this project.

    Its folder `assets.extra` holds a description of the model and the warm-up requests of TF
    Serving.

    Args:
      network: Maps float32 images [batch, height, width, 3] in 0..255 to float32 logits [batch,
        height, width, C].
      path: Folder of the SavedModel.
      classes: Names of the C classes.
      view: How an image is presented to the network. With a crop view, a window slides over images
        of any size at their own resolution.
      intensity_range: The sample values of 16-bit images that become 0 and 255; None to use the
        upper 8 of the 16 bits.
      max_pixels: Larger images are refused before they are decoded.
      config: Model and training settings, stored in the description.
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
