"""ServingCheck's verdict on whether a model's responses to test requests are correct."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel

from data.config import IGNORE
from data.files.paths import join
from data.files.reading import read_text
from data.printable import printable
from serving.config import CheckConfig
from serving.model.probe import ODD_SIZES

VERDICT_FILE = "check.json"
"""Name of the file in ServingCheck's blessing artifact that holds a `ServingVerdict` as JSON."""
# Share of pixels that may differ from the expected mask. Rounding depends on the batch size, so the
# masks of a correct model can differ slightly.
_ROUNDING = 1e-3


class ServingVerdict(BaseModel):
    """Whether a model passed ServingCheck, with its load time, latency and memory use.

    Load time, latency and memory are None if the model did not load or a request failed.

    Attributes:
      blessed: Whether the model passed ServingCheck.
      reasons: Reasons why the model failed ServingCheck, one line each; empty if it passed.
      images: Number of images that were sent to the model.
      load_seconds: Time taken to load the model, in seconds.
      p50_ms: Median latency of a request with one image, in milliseconds.
      p95_ms: 95th percentile of the latency of a request with one image, in milliseconds.
      peak_mib: Peak memory of the process that loaded the model, in MiB, including TensorFlow.
    """

    blessed: bool
    reasons: list[str]
    images: int
    load_seconds: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    peak_mib: float | None = None


def read_verdict(blessing: str) -> ServingVerdict:
    """Reads ServingCheck's verdict on a model.

    Args:
      blessing: Path of ServingCheck's `blessing` artifact.
    """
    return ServingVerdict.model_validate_json(read_text(join(blessing, VERDICT_FILE)))


def decide(
    answers: Mapping[str, Any],
    keys: Sequence[str],
    truths: Sequence[npt.NDArray[np.uint8]],
    evaluated: Mapping[str, npt.NDArray[np.int64]],
    check: CheckConfig,
) -> ServingVerdict:
    """Checks a model's responses against the evaluation, and its latency and memory against limits.

    Args:
      answers: Responses and measurements, as returned by `serving.model.probe.probe`.
      keys: Keys of the images that were sent to the model.
      truths: Ground-truth masks of these images, in the same order: uint8 [height, width] class
        ids, with 255 for ignored pixels.
      evaluated: The Evaluator's confusion matrix of each image, int64 [C, C], by image key.
      check: Limits on latency and memory.

    Returns:
      The verdict. The model is blessed if all responses are correct and no limit is exceeded.
    """
    p50, p95 = np.percentile(answers["milliseconds"], [50, 95])
    reasons = [
        printable(reason)  # it may contain the key of an image
        for reason in (
            *_differences_from_evaluation(answers, keys, truths, evaluated),
            *_wrong_answers(answers, keys),
            *_over_the_limits(check, p50, p95, answers["peak_mib"]),
        )
    ]
    return ServingVerdict(
        blessed=not reasons,
        reasons=reasons,
        images=len(keys),
        load_seconds=answers["load_seconds"],
        p50_ms=p50,
        p95_ms=p95,
        peak_mib=answers["peak_mib"],
    )


def _differences_from_evaluation(
    answers: Mapping[str, Any],
    keys: Sequence[str],
    truths: Sequence[npt.NDArray[np.uint8]],
    evaluated: Mapping[str, npt.NDArray[np.int64]],
) -> Iterator[str]:
    counts = np.array(answers["evaluation"])
    if _differing(counts, evaluated[keys[0]]) > _ROUNDING * truths[0].size:
        yield f"{keys[0]}: the signature evaluation returns different counts than in the Evaluator"
    for key, truth, encoded in zip(keys, truths, answers["alone"], strict=True):
        mask = _decode(encoded)
        if mask.shape != truth.shape:
            yield f"{key}: the served mask has {_size(mask)} pixels, the image {_size(truth)}"
            continue
        labelled = truth != IGNORE
        served = np.zeros_like(evaluated[key])
        np.add.at(served, (truth[labelled], mask[labelled]), 1)
        differing = _differing(served, evaluated[key])
        if differing > _ROUNDING * truth.size:
            yield (
                f"{key}: at least {differing} of {truth.size} pixels have a different class in "
                "serving than in the Evaluator"
            )


def _differing(counts: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> int:
    """Returns the minimum number of pixels in which two masks of an image differ.

    Args:
      counts: Confusion matrix of the first mask, int64 [C, C].
      others: Confusion matrix of the second mask, against the same ground truth.
    """
    return int(np.abs(counts - others).sum() // 2)


def _wrong_answers(answers: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    alone = [_decode(encoded) for encoded in answers["alone"]]
    for key, mask, encoded in zip(keys, alone, answers["together"], strict=False):
        together = _decode(encoded)
        if together.shape != mask.shape or (together != mask).sum() > _ROUNDING * mask.size:
            yield f"{key}: the mask in a batch differs from the mask for the image alone"
    if answers["again"] != answers["together"]:
        yield "the model returns different masks after it is loaded a second time"
    odd = [tuple(size) for size in answers["odd"]]
    if odd != list(ODD_SIZES):
        yield f"images of the sizes {list(ODD_SIZES)} have masks of the sizes {odd}"
    height, width = alone[0].shape
    if answers["probabilities"][:3] != [1, height, width]:
        yield f"the output probabilities has the shape {answers['probabilities']} for {keys[0]}"
    if "image_bytes[1]" not in answers["refusal"]:
        yield "the error for a broken image in a batch does not name its position"


def _over_the_limits(check: CheckConfig, p50: float, p95: float, peak: float) -> Iterator[str]:
    for key, limit, value, unit in (
        ("p50_ms", check.p50_ms, p50, "ms for one image"),
        ("p95_ms", check.p95_ms, p95, "ms for one image"),
        ("memory_mib", check.memory_mib, peak, "MiB of memory"),
    ):
        if limit is not None and value > limit:
            yield f"serving.check.{key}: {value:.0f} {unit}, more than {limit:g}"


def _decode(encoded: str) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def _size(mask: npt.NDArray[np.uint8]) -> str:
    return "×".join(map(str, mask.shape))
