"""Measures how well wrong masks are found, beside cleanlab, on two real data sets.

    python -m benchmarks.labels [--draws 12] [--steps 120] [--masks 100000]

In each draw, 5 % of the masks get one error: the class of an object is swapped, or the object is
dropped, shifted or dilated, so that at least 0.5 % of the pixels change. Then three decoders are
trained on the features of the frozen encoder, wrong masks included, each on two thirds of the
images; it predicts the last third. The thirds are contiguous, because neighbours look alike. From
the same probabilities, the output has the average precision of each ranking of the masks: ours
(`components.labels.scores`), and the two of cleanlab; and how much more ours has in the same draws.
The formula of ours was chosen on three draws, which are left out. The data sets are two of
`benchmarks.data_sets`; the third has too few images. Finally, the memory of a whole process that
ranks a tenth of `--masks` masks and all of them, without a model.
"""

import argparse
import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from cleanlab.segmentation.rank import get_label_quality_scores
from PIL import Image
from scipy import ndimage
from sklearn.metrics import average_precision_score

import pipeline  # noqa: F401, first: it sets environment variables for TensorFlow
from benchmarks.data_sets import data_sets, number_of_classes
from benchmarks.fresh_process import measure
from benchmarks.frozen_encoder import Features, encode, train_decoder
from components.labels.pairs import score_pairs
from components.labels.ranking import rank_masks
from components.labels.scores import score_mask
from data.config import IGNORE, DataConfig, FolderSource
from data.examples.reading import ReadPair
from data.listing.pair import Pair
from serving.doubts import Doubts, doubts_of
from serving.model.label_doubts import label_doubts, label_quality
from serving.model.temperature import tempered_confidences

_TITLES = ("Blue Marble", "ICBM 152")
_KINDS = ("swapped", "dropped", "shifted", "dilated")
_CHOSEN_ON = 3  # number of draws on which the formula was chosen
_SHARE = 0.05  # of the masks get an error
_SMALLEST = 0.005  # smallest object that gets an error, as a share of the image
_RADIUS, _SHIFT, _DILATION = 0.1, 0.05, 0.02  # of errors, as shares of the image's side
_FOLDS = 3
_Mask = npt.NDArray[np.uint8]
_Random = np.random.Generator


def main() -> None:
    """Prints the average precision of each ranking on each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--masks", type=int, default=100_000)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)  # measured in a new process
    arguments = parser.parse_args()
    if arguments.rank:
        print(json.dumps(_rank(arguments.rank)))
        return
    for title, (train, test) in data_sets():
        if title not in _TITLES:
            continue
        pairs = [*train, *test]
        folds = np.concatenate(
            [np.arange(len(part)) * _FOLDS // len(part) for part in (train, test)]
        )
        classes, features = number_of_classes(pairs), encode(pair.image for pair in pairs)
        rows = []
        for draw in range(_CHOSEN_ON, _CHOSEN_ON + arguments.draws):
            masks, wrong = inject([pair.class_ids for pair in pairs], np.random.default_rng(draw))
            probabilities = cross_predict(features, masks, folds, classes, arguments.steps, draw)
            rankings = _rankings(masks, probabilities)
            truth = [kind != "" for kind in wrong]
            rows.append({name: average_precision_score(truth, r) for name, r in rankings.items()})
        print(f"\n{title}: {len(pairs)} masks, {sum(truth)} of them wrong, {arguments.draws} draws")
        _print_rankings(rows)
    _print_memory(arguments.masks)


def inject(masks: Sequence[_Mask], random: _Random) -> tuple[list[_Mask], list[str]]:
    """Returns the masks with an error in 5 % of them, and the kind of each error or ""."""
    changed, wrong = list(masks), [""] * len(masks)
    count = round(_SHARE * len(masks))
    for index in random.permutation(len(masks)).tolist():
        kind = _KINDS[(len(masks) - wrong.count("")) % len(_KINDS)]
        if wrong.count("") == len(masks) - count:
            break
        mask = _with_error(masks[index], kind, random)
        if mask is not None:
            changed[index], wrong[index] = mask, kind
    return changed, wrong


def _with_error(mask: _Mask, kind: str, random: _Random) -> _Mask | None:
    """Returns the mask with an error in one object; None if no object is large enough.

    Objects are connected parts of all classes but the most frequent one. Of a large object, only a
    round part is swapped or dropped.
    """
    objects: list[npt.NDArray[np.bool_]] = []
    counts = np.bincount(mask.ravel())
    for class_id in np.flatnonzero(counts).tolist():
        if class_id == counts.argmax():
            continue
        numbers, _ = ndimage.label(mask == class_id)
        sizes = np.bincount(numbers.ravel())[1:]
        objects += [numbers == 1 + n for n in np.flatnonzero(sizes >= _SMALLEST * mask.size)]
    if not objects:
        return None
    one = objects[random.integers(len(objects))]
    side, class_id = min(mask.shape), int(mask[one][0])
    ring = ndimage.binary_dilation(one, iterations=2) & ~one
    around = int(np.bincount(mask[ring]).argmax())
    if kind in ("swapped", "dropped"):
        pixels = np.argwhere(one)
        offsets = np.indices(mask.shape).T - pixels[random.integers(len(pixels))]
        one = one & (_RADIUS * side > np.linalg.norm(offsets, axis=-1).T)
    changed = mask.copy()
    if kind == "swapped":
        others = sorted(set(np.flatnonzero(counts).tolist()) - {class_id, around})
        changed[one] = random.choice(others or [around])
    elif kind == "dropped":
        changed[one] = around
    elif kind == "shifted":
        angle = random.uniform(0, 2 * np.pi)
        offset = _SHIFT * side * np.array([np.sin(angle), np.cos(angle)])
        changed[one] = around
        changed[ndimage.shift(one.astype(np.uint8), offset.round(), order=0) > 0] = class_id
    else:
        changed[ndimage.binary_dilation(one, iterations=round(_DILATION * side))] = class_id
    return changed if (changed != mask).mean() >= _SMALLEST else None


def cross_predict(
    features: Sequence[Features],
    masks: Sequence[_Mask],
    folds: npt.NDArray[np.int64],
    classes: int,
    steps: int,
    seed: int,
) -> list[npt.NDArray[np.float32]]:
    """Returns probabilities for each image, of a decoder that was trained on the other folds."""
    probabilities: list[Any] = [None] * len(masks)
    for fold in range(_FOLDS):
        inside = np.flatnonzero(folds != fold).tolist()
        decoder = train_decoder(
            [features[i] for i in inside], [masks[i] for i in inside], classes, steps, seed
        )
        for i in np.flatnonzero(folds == fold).tolist():
            height, width = masks[i].shape
            probabilities[i] = decoder(features[i])[:height, :width]
    return probabilities


def _rankings(
    masks: Sequence[_Mask], probabilities: Sequence[npt.NDArray[np.float32]]
) -> dict[str, list[float]]:
    """Returns the scores of the masks in each ranking; a greater one is more likely to be wrong."""
    ours = [
        score_mask(_doubts(p, mask), mask) for mask, p in zip(masks, probabilities, strict=True)
    ]
    labels = np.stack(masks).astype(np.int64)
    channels_first = np.stack(probabilities).transpose(0, 3, 1, 2)
    rankings = {
        "ours": [scores.suspicion for scores in ours],
        "worst region alone": [scores.worst.score if scores.worst else 0.0 for scores in ours],
    }
    for method in ("softmin", "num_pixel_issues"):
        quality, _ = get_label_quality_scores(
            labels, channels_first, method=method, n_jobs=1, verbose=False
        )
        rankings[f"cleanlab: {method}"] = [-value for value in quality]
    return rankings


def _doubts(probabilities: npt.NDArray[np.float32], mask: _Mask) -> Doubts:
    """Compares a mask with probabilities, as the graph of the model does."""
    confidence, given = tempered_confidences(probabilities, 1.0, mask)
    found = label_doubts(mask, tf.argmax(probabilities, -1, tf.int32), confidence, given)
    return doubts_of(label_quality(mask, given).numpy(), tf.io.encode_png(found).numpy())


def _print_rankings(rows: Sequence[Mapping[str, float]]) -> None:
    """Prints the mean and its standard error over the draws, and what ours has more."""
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        more = np.array([row["ours"] for row in rows]) - values
        line = f"{name:28}{_mean_text(values, '')}"
        if name != "ours":
            line += f"   ours {_mean_text(more, '+')}, more in {(more > 0).sum()}, "
            line += f"less in {(more < 0).sum()}"
        print(line, flush=True)


def _mean_text(values: npt.NDArray[np.float64], sign: str) -> str:
    error = values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():{sign}.3f} ±{error:.3f}"


def _print_memory(most: int) -> None:
    print(f"\n{'masks':>10}{'peak MiB':>10}{'CPU ms/mask':>13}")
    for count in (most // 10, most):
        peak, milliseconds = measure("benchmarks.labels", "--rank", str(count))
        print(f"{count:10,}{peak:10.0f}{milliseconds:13.2f}", flush=True)


def _rank(count: int) -> tuple[float, float]:
    """Ranks masks that the model contradicts; returns the peak in MiB, and the CPU ms per mask."""
    source = FolderSource(kind="folder", path="none")
    data = DataConfig(source=source, classes=["ground", "disc"])
    random = np.random.default_rng(0)

    def find_doubts(_: ReadPair) -> Doubts:
        classes = np.full((32, 32), 1, np.uint8)
        classes[random.integers(4, 32) :] = IGNORE
        return Doubts(0.3, classes, np.where(classes == 1, np.float32(0.9), np.float32(0)))

    with tempfile.TemporaryDirectory() as folder:
        image, mask = (str(Path(folder, f"{kind}.png")) for kind in ("image", "mask"))
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(image)
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(mask)
        pairs = (Pair(f"{n:08d}", image, mask, "", "", 0, "val") for n in range(count))
        began = time.process_time()
        ranking = rank_masks(score_pairs(pairs, data, find_doubts), set(), 1000)
        milliseconds = 1000 * (time.process_time() - began) / ranking.scored
    # Unlike `ru_maxrss`, this peak does not begin with the memory of the parent process.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) / 1024, milliseconds


if __name__ == "__main__":
    main()
