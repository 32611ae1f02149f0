"""Loads a SavedModel in a separate process, as TF Serving does, and sends requests to it.

The command is `python -m serving.model.probe MODEL REQUESTS PARENT`, where MODEL is the folder of
the SavedModel, REQUESTS is the folder that holds the input file and receives the output file, and
PARENT is the ID of the process with which this one ends. The model is used only through its
signatures.
"""

import base64
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data.jobs.parent import end_with

if __name__ == "__main__":
    end_with(int(sys.argv[3]))  # before TensorFlow is imported, which takes seconds
    # TF Serving has no Keras, so a model that needs Keras must fail here, too.
    sys.modules |= {"keras": None, "tf_keras": None}  # type: ignore[dict-item]

import tensorflow as tf

from data.errors import one_line

EXAMPLES = "examples.tfrecord"
"""Input file in the REQUESTS folder: serialized tf.Examples with the images to send."""
ANSWERS = "results.json"
"""Output file in the REQUESTS folder: the results as JSON."""
FAILURE = "failure"
"""The only key in the output if the model cannot be loaded or fails; the value is the reason."""
ODD_SIZES = ((1, 1), (33, 47), (7, 200))
"""Unusual sizes (height, width) to which the first image is cropped or padded."""
_TOGETHER = 3  # images in the test batch; larger batches of large images would take minutes
_IMAGE = "image/encoded"
_KIB_IN_MIB = 1024
_Signature = Callable[..., Mapping[str, tf.Tensor]]


def probe(model: str, examples: list[bytes]) -> dict[str, Any]:
    """Collects the latency, memory use and outputs of a model for the ServingCheck component.

    Args:
      model: Folder of the SavedModel.
      examples: Serialized tf.Examples with the images to send to the model.

    Returns:
      Results that can be written as JSON:
      - load_seconds: Time taken to load the model, in seconds.
      - alone: Masks of the images, sent one at a time, as Base64-encoded PNGs.
      - milliseconds: Latency for each image, sent one at a time, in milliseconds.
      - together: Masks of the first three images, sent in one batch, as Base64-encoded PNGs.
      - odd: Heights and widths of the masks of images with the sizes `ODD_SIZES`, sent in one
        batch.
      - probabilities: Shape of the output of the `probabilities` signature for the first image.
      - evaluation: Confusion matrix of the first example.
      - refusal: Error message for a batch whose second image is damaged; empty if no error was
        raised.
      - peak_mib: Peak memory of the process so far, in MiB.
      - again: Masks of the same images as in `together`, after the model was loaded a second time.
    """
    before = time.monotonic()
    loaded = tf.saved_model.load(model)
    signatures: Mapping[str, _Signature] = loaded.signatures
    serve = signatures["serving_default"]
    results: dict[str, Any] = {"load_seconds": time.monotonic() - before}
    images = [_image(example) for example in examples]
    serve(image_bytes=tf.constant(images[:1]))  # warm-up, because the first call is slow
    results["alone"], results["milliseconds"] = [], []
    for image in images:
        before = time.monotonic()
        results["alone"] += _masks(serve, [image])
        results["milliseconds"].append(1000 * (time.monotonic() - before))
    results["together"] = _masks(serve, images[:_TOGETHER])
    results["odd"] = [
        tf.io.decode_png(base64.b64decode(mask)).shape.as_list()[:2]
        for mask in _masks(serve, _odd(images[0]))
    ]
    pixels = tf.io.decode_image(images[0], channels=3, expand_animations=False)
    outputs = signatures["probabilities"](images=pixels[tf.newaxis])
    results["probabilities"] = outputs["probabilities"].shape.as_list()
    counts = signatures["evaluation"](examples=tf.constant(examples[:1]))
    results["evaluation"] = counts["confusion_matrix"][0].numpy().tolist()
    try:
        serve(image_bytes=tf.constant([images[0], images[0][: len(images[0]) // 2]]))
        results["refusal"] = ""
    except tf.errors.InvalidArgumentError as error:
        results["refusal"] = str(error)
    results["peak_mib"] = _peak_mib()
    again = tf.saved_model.load(model).signatures["serving_default"]
    results["again"] = _masks(again, images[:_TOGETHER])
    return results


def _image(example: bytes) -> bytes:
    feature = tf.train.Example.FromString(example).features.feature[_IMAGE]
    return bytes(feature.bytes_list.value[0])


def _masks(serve: _Signature, images: list[bytes]) -> list[str]:
    outputs = serve(image_bytes=tf.constant(images))
    return [base64.b64encode(mask).decode() for mask in outputs["mask_png_bytes"].numpy()]


def _peak_mib() -> float:
    # `getrusage` is not used, because its maximum would include the memory of the parent process.
    with Path("/proc/self/status").open() as status:
        (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / _KIB_IN_MIB


def _odd(image: bytes) -> list[bytes]:
    pixels = tf.io.decode_image(image, channels=3, expand_animations=False)
    return [
        tf.io.encode_png(tf.image.resize_with_crop_or_pad(pixels, *size)).numpy()
        for size in ODD_SIZES
    ]


def main() -> None:
    """Probes the model specified on the command line and writes the results."""
    model, folder = sys.argv[1], Path(sys.argv[2])
    examples = list(tf.data.TFRecordDataset(str(folder / EXAMPLES)).as_numpy_iterator())
    try:
        results = probe(model, examples)
    except Exception as error:  # TensorFlow may raise any exception for a broken model
        traceback.print_exc()
        results = {FAILURE: f"{type(error).__name__}: {one_line(error)}"}
    (folder / ANSWERS).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
