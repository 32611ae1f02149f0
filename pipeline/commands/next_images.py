"""`unetfx predict --rank`: orders the predicted images by how much their labels would help."""

import heapq
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import click
import numpy as np
from rich.console import Console

from components.labels.image_features import load_image_features
from components.labels.next_images import choose_next
from data.config import DataConfig
from data.csv_text import csv_text, path_cell
from data.errors import InputError, UnetfxError
from data.examples.reading import read_pairs
from data.files.reading import read_bytes
from data.files.writing import new_file
from data.listing.pair import Pair
from data.printable import printable
from data.progress import terminal_progress
from data.rasters.images import load_image
from pipeline.commands.source_listing import source_listing
from pipeline.config.config import Config
from serving.files.image_files import ImageFile, real_path
from serving.files.predict import Outcome

RANKING_FILE = "ranking.csv"
"""Name of the table in the folder of the masks."""
_MOST_COMPARED = 10_000  # labelled images, and unlabelled ones; memory does not grow with the data
_MOST_RANKED = 1000
_MOST_PRINTED = 10
_FAR, _NEAR = 1.5, 0.5  # in units of the usual distance; only for the words


class _Ranked(NamedTuple):
    image: ImageFile
    uncertainty: float  # expected share of wrong pixels
    distance: float | None  # None if only the uncertainty decides


class UncertainImages:
    """The images of which the model is least sure; memory does not grow with their number."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ImageFile]] = []  # the surest first

    def noted(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        """Yields the outcomes unchanged, and keeps the images without an error."""
        for number, outcome in enumerate(outcomes):
            if not outcome.error:
                # Numbers differ, so two images are never compared.
                heapq.heappush(self._heap, (1 - outcome.confidence, -number, outcome.image))
                if len(self._heap) > _MOST_COMPARED:
                    heapq.heappop(self._heap)
            yield outcome

    def ranked(self) -> list[_Ranked]:
        """Returns the images, the least sure first."""
        return [_Ranked(image, u, None) for u, _, image in sorted(self._heap, reverse=True)]


def rank_images(
    images: UncertainImages,
    config: Config,
    data: DataConfig,
    model: str | None,
    out: Path,
    terminal: TextIO,
) -> None:
    """Writes `ranking.csv` with the images to label next, and prints the first ones.

    Images that have a mask in the source of the config are left out. If the labelled images or the
    encoder are missing, the order is that of the uncertainty alone, and the output says why.

    Args:
      images: The predicted images.
      config: The config of the pipeline, whose source has the labelled images.
      data: Settings for reading images.
      model: Folder of the model; None for a model on a server.
      out: Folder of the masks.
      terminal: Stream for the progress bar.

    Raises:
      InputError: All images are labelled, or the table cannot be written.
    """
    ranked, reason = images.ranked(), ""
    if not ranked:
        return
    try:
        pairs, ranked = _without_labelled(config, ranked)
        ranked = ranked and _by_distance(ranked, pairs, model, data, terminal)
    except UnetfxError as error:
        reason = str(error)
    if not ranked:
        raise InputError("--rank: all images have a mask in the source, so none is left to label.")
    ranked = ranked[:_MOST_RANKED]
    with new_file(str(out / RANKING_FILE)) as file:
        file.write(_as_csv(ranked).encode("utf-8", "surrogateescape"))
    _print(ranked, reason, out)


def _without_labelled(config: Config, ranked: list[_Ranked]) -> tuple[list[Pair], list[_Ranked]]:
    """Returns labelled pairs, a random sample if there are many, and the images without a mask."""
    by_path = {real_path(entry.image.path): entry for entry in ranked}
    with source_listing(config) as listing:
        # The list is in the order of hashes, so its first pairs are a random sample.
        pairs = [row.pair for row in itertools.islice(listing.pairs(), _MOST_COMPARED)]
        for row in listing.pairs():
            by_path.pop(real_path(row.pair.image), None)
    return pairs, [*by_path.values()]


def _by_distance(
    ranked: Sequence[_Ranked],
    pairs: Sequence[Pair],
    model: str | None,
    data: DataConfig,
    terminal: TextIO,
) -> list[_Ranked]:
    if model is None:
        raise InputError("a server does not return the features of images.")
    features = load_image_features(model)
    with terminal_progress(Console(file=terminal)) as progress:
        read = progress.track(read_pairs(pairs, data), len(pairs), description="Labelled images")
        labelled = [features(pair.image) for pair in read if pair.record.problem is None]
        if not labelled:
            raise InputError("no labelled image can be used: see unetfx check.")
        candidates = [
            features(load_image(read_bytes(image.path), image.path, data).encoded)
            for image, *_ in progress.track(ranked, description="Other images")
        ]
    uncertainty = np.array([entry.uncertainty for entry in ranked])
    chosen = choose_next(uncertainty, np.stack(candidates), np.stack(labelled), _MOST_RANKED)
    return [ranked[number]._replace(distance=distance) for number, distance in chosen]


def _as_csv(ranked: Sequence[_Ranked]) -> str:
    rows = [["rank", "image", "mask", "uncertainty", "distance"]]
    for number, (image, uncertainty, distance) in enumerate(ranked, 1):
        paths = (path_cell(image.path), path_cell(image.mask))
        far = "" if distance is None else f"{distance:.4f}"
        rows.append([str(number), *paths, f"{uncertainty:.6f}", far])
    return csv_text(rows)


def _print(ranked: Sequence[_Ranked], reason: str, out: Path) -> None:
    click.echo("\nLabel these images next:")
    for number, (image, uncertainty, distance) in enumerate(ranked[:_MOST_PRINTED], 1):
        click.echo(f"{number:3}  {printable(image.path)}")
        words = f"unsure of {uncertainty:.1%} of its pixels"
        if distance is not None:
            words += f"; {_in_words(distance)}"
        click.echo(f"     {words}")
    if reason:
        click.echo(f"Ranked by uncertainty alone, since {printable(reason)}")
    click.echo(f"Ranking  {printable(os.path.relpath(out / RANKING_FILE))}")


def _in_words(distance: float) -> str:
    if distance >= _FAR:
        text = "unlike all labelled images"
    elif distance >= _NEAR:
        text = "somewhat like another image"
    else:
        text = "much like another image"
    return f"{text} (distance {distance:.1f})"
