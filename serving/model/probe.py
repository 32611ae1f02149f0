"""Loads a SavedModel in a process of its own, as TF Serving does, and sends it requests.

`python -m serving.model.probe MODEL REQUESTS` knows nothing but TensorFlow and the signatures.
"""

import base64
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

EXAMPLES = "examples.tfrecord"
"""In the folder of requests: serialized tf.Examples, the first ones' images to be sent."""
ANSWERS = "answers.json"
"""In the folder of requests: where the answers are written."""
FAILURE = "failure"
"""The only answer of a model that does not load, or fails: the reason."""
ODD_SIZES = ((1, 1), (33, 47), (7, 200))
"""Heights and widths of the images that are cut out of the first one."""
_TOGETHER = 3  # images of a batch: large ones take minutes
_IMAGE = "image/encoded"
_KIBIBYTES = 1024  # of a mebibyte
_Signature = Callable[..., Mapping[str, tf.Tensor]]


def probe(model: str, examples: list[bytes]) -> dict[str, Any]:
    """Asks a model all that ServingCheck wants to know.

    Args:
      model: The SavedModel's folder.
      examples: Serialized tf.Examples.

    Returns:
      What came back, to be written as JSON:
      - load_seconds: How long loading took.
      - alone: Masks of the images sent one by one, PNGs in base64.
      - milliseconds: How long each of them took.
      - together: Masks of the first three of them, sent in one batch.
      - odd: Height and width of the masks of `ODD_SIZES`, sent in one batch.
      - probabilities: Shape of what that signature answers to the first image.
      - evaluation: The first example's confusion matrix.
      - refusal: What a batch with a broken image in its second place is answered.
      - peak_mib: The most memory that the process took until here.
      - again: `together`, of the model loaded a second time.
    """
    before = time.monotonic()
    loaded = tf.saved_model.load(model)
    signatures: Mapping[str, _Signature] = loaded.signatures
    serve = signatures["serving_default"]
    answers: dict[str, Any] = {"load_seconds": time.monotonic() - before}
    images = [_image(example) for example in examples]
    serve(image_bytes=tf.constant(images[:1]))  # the first one is slow; servers are warmed up
    answers["alone"], answers["milliseconds"] = [], []
    for image in images:
        before = time.monotonic()
        answers["alone"] += _masks(serve, [image])
        answers["milliseconds"].append(1000 * (time.monotonic() - before))
    answers["together"] = _masks(serve, images[:_TOGETHER])
    answers["odd"] = [
        tf.io.decode_png(base64.b64decode(mask)).shape.as_list()[:2]
        for mask in _masks(serve, _odd(images[0]))
    ]
    pixels = tf.io.decode_image(images[0], channels=3, expand_animations=False)
    found = signatures["probabilities"](images=pixels[tf.newaxis])
    answers["probabilities"] = found["probabilities"].shape.as_list()
    counted = signatures["evaluation"](examples=tf.constant(examples[:1]))
    answers["evaluation"] = counted["confusion_matrix"][0].numpy().tolist()
    try:
        serve(image_bytes=tf.constant([images[0], images[0][: len(images[0]) // 2]]))
        answers["refusal"] = ""
    except tf.errors.InvalidArgumentError as error:
        answers["refusal"] = str(error)
    answers["peak_mib"] = _peak_mib()
    again = tf.saved_model.load(model).signatures["serving_default"]
    answers["again"] = _masks(again, images[:_TOGETHER])
    return answers


def _image(example: bytes) -> bytes:
    found = tf.train.Example.FromString(example).features.feature[_IMAGE].bytes_list.value[0]
    return bytes(found)


def _masks(serve: _Signature, images: list[bytes]) -> list[str]:
    answer = serve(image_bytes=tf.constant(images))
    return [base64.b64encode(mask).decode() for mask in answer["mask_png_bytes"].numpy()]


def _peak_mib() -> float:
    # Not getrusage's maximum: that begins with the memory of the process that started this one.
    with Path("/proc/self/status").open() as status:
        (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / _KIBIBYTES


def _odd(image: bytes) -> list[bytes]:
    pixels = tf.io.decode_image(image, channels=3, expand_animations=False)
    return [
        tf.io.encode_png(tf.image.resize_with_crop_or_pad(pixels, *size)).numpy()
        for size in ODD_SIZES
    ]


def main() -> None:
    """Reads the command line, asks, and writes the answers."""
    model, folder = sys.argv[1], Path(sys.argv[2])
    examples = list(tf.data.TFRecordDataset(str(folder / EXAMPLES)).as_numpy_iterator())
    try:
        answers = probe(model, examples)
    except Exception as error:  # whatever TensorFlow makes of a broken model
        traceback.print_exc()
        answers = {FAILURE: f"{type(error).__name__}: {' '.join(str(error).split())}"}
    (folder / ANSWERS).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
