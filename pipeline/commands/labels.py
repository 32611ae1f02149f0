"""`unetfx labels`: finds masks that may be wrong, by the newest model and held-out images."""

import itertools
import os
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.labels.pairs import FindDoubts, score_pairs, serialized
from components.labels.ranking import Ranking, WrongMask, rank_masks
from components.labels.verdicts import read_verdicts
from data.config.sources import SPLITS
from data.csv_text import csv_text, path_cell
from data.errors import InputError, listed
from data.examples.reading import ReadPair
from data.files.writing import complete_folder, write_text
from data.listing.listing import Listing
from data.listing.pair import Pair
from data.printable import printable
from data.progress import terminal_progress
from pipeline.commands.labels_export import export_masks
from pipeline.commands.labels_page import write_page
from pipeline.commands.source_listing import source_listing
from pipeline.config.config import Config
from serving.doubts import Doubts
from serving.model.loading import ServedModel
from serving.model.versions import newest_version, versions

TABLE_FILE, PAGE_FILE = "labels.csv", "index.html"
"""Names of the files in `Config.labels_folder`."""
_HELD_OUT = ("val", "test")
_MOST_MASKS = 1000  # masks in the table, so that memory does not grow with the data
_MOST_PRINTED = 10
_COLUMNS = (
    *("pair", "split", "image", "mask", "drawn_as", "probably", "pixels", "confidence"),
    *("left", "top", "width", "height", "regions", "suspicion", "quality"),
)


def find_wrong_masks(
    config: Config, export: Path | None, folds: int | None, terminal: TextIO
) -> None:
    """Ranks the masks of held-out pairs; writes a table and a page, and prints the first masks.

    Args:
      config: The config of the pipeline.
      export: New folder for the images, masks and proposed masks; None for no export.
      folds: Number of models to train, each of which scores the pairs that it did not learn; None
        to score the pairs of `val` and `test` by the newest model.
      terminal: Stream for the progress bar.

    Raises:
      InputError: There is no trained model, the model has other classes than the config, the source
        cannot be used, or a result cannot be written.
      FailedTrainingError: A fold could not be trained.
    """
    # The folder is created first, so that an existing one is refused before the long work.
    new_folder = nullcontext() if export is None else complete_folder(export)
    splits = SPLITS if folds else _HELD_OUT
    scope = "all splits" if folds else "val and test"
    with source_listing(config) as listing, new_folder as unfinished:
        if folds:
            find_doubts = _cross_validated(config, listing, folds, terminal)
        else:
            find_doubts = _newest_model(config)
        ranking, unusable = _rank(config, listing, splits, find_doubts, terminal)
        pairs = listing.pairs_of(wrong.mask.key for wrong in ranking.masks)
        folder = config.labels_folder
        table = _as_csv(ranking.masks, pairs, config.data.classes)
        write_text(str(folder / TABLE_FILE), table)
        write_page(folder / PAGE_FILE, config, ranking, pairs, find_doubts, scope)
        if unfinished is not None:
            export_masks(unfinished, ranking.masks, pairs, config.data, find_doubts)
    _print(ranking, unusable, config, scope)


def _newest_model(config: Config) -> FindDoubts:
    """Loads the newest pushed model; if none was pushed, the model of the newest run."""
    folder = config.serving_folder
    if versions(folder):
        path = newest_version(folder)
    else:
        # This import comes late, because TFX takes seconds to load and is rarely needed here.
        from pipeline.history.runs import newest_model

        path = newest_model(config)
    model = ServedModel(path)
    if list(model.classes) != config.data.classes:
        raise InputError(
            f"{path}: the model has the classes {listed(model.classes)}, but the config has "
            f"{listed(config.data.classes)}. Train a model with these classes: unetfx run"
        )
    if not model.finds_doubts:
        raise InputError(
            f"{path}: the model is of an older version of unetfx, which does not find wrong masks. "
            "Train a new one: unetfx run"
        )
    return lambda read: model.doubts(serialized(read, model.classes))


def _cross_validated(config: Config, listing: Listing, folds: int, terminal: TextIO) -> FindDoubts:
    # These imports come late, because TFX takes seconds to load and is not needed without folds.
    from components.trainer.folds import fold_of, train_folds
    from pipeline.create_pipeline import trainer_settings

    def report(line: str) -> None:
        print(line, file=terminal, flush=True)

    pairs = (row.pair for row in listing.pairs())
    with tempfile.TemporaryDirectory() as scratch:
        paths = train_folds(
            pairs, config.data, trainer_settings(config), folds, Path(scratch), report
        )
        models = [ServedModel(path) for path in paths]

    def find_doubts(read: ReadPair) -> Doubts:
        model = models[fold_of(read.record.pair.group, folds)]
        return model.doubts(serialized(read, model.classes))

    return find_doubts


def _rank(
    config: Config,
    listing: Listing,
    splits: Container[str],
    find_doubts: FindDoubts,
    terminal: TextIO,
) -> tuple[Ranking, int]:
    """Returns the ranking, and the number of pairs that cannot be read or segmented."""

    def pairs() -> Iterator[Pair]:
        return (row.pair for row in listing.pairs() if row.pair.split in splits)

    judged = read_verdicts(config.verdicts_file)
    with terminal_progress(Console(file=terminal)) as progress:
        count = sum(1 for _ in pairs())
        tracked = progress.track(pairs(), count, description="Scoring masks")
        scored = score_pairs(tracked, config.data, find_doubts)
        ranking = rank_masks(scored, judged, _MOST_MASKS)
    return ranking, count - ranking.scored - ranking.judged


def _as_csv(masks: Sequence[WrongMask], pairs: Mapping[str, Pair], classes: Sequence[str]) -> str:
    """Returns a row for each mask, with its worst region; positions and sizes are in pixels."""
    rows: list[Sequence[object]] = [_COLUMNS]
    for (key, split, _, scores), worst in masks:
        cells = (
            key,
            split,
            path_cell(pairs[key].image),
            path_cell(pairs[key].mask),
            classes[worst.given],
            classes[worst.probable],
            worst.pixels,
            f"{worst.confidence:.4f}",
            worst.left,
            worst.top,
            worst.right - worst.left,
            worst.bottom - worst.top,
            scores.regions,
            f"{scores.suspicion:.6f}",
            f"{scores.quality:.6f}",
        )
        rows.append(cells)
    return csv_text(map(str, row) for row in rows)


def _print(ranking: Ranking, unusable: int, config: Config, scope: str) -> None:
    console = Console(highlight=False)
    classes = config.data.classes
    if ranking.masks:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("pair", overflow="fold", ratio=1)
        table.add_column("drawn as", overflow="fold")
        table.add_column("probably", overflow="fold")
        for heading in ("pixels", "sure", "quality"):
            table.add_column(heading, justify="right", no_wrap=True)
        for (key, _, _, scores), worst in itertools.islice(ranking.masks, _MOST_PRINTED):
            table.add_row(
                Text(printable(key)),
                Text(printable(classes[worst.given])),
                Text(printable(classes[worst.probable])),
                f"{worst.pixels:,}",
                f"{worst.confidence:.2f}",
                f"{scores.quality:.2f}",
            )
        console.print(table)
        console.print()
    text = f"The model contradicts {ranking.contradicted:,} of {ranking.scored:,} masks in {scope}."
    if ranking.judged:
        text += f" {ranking.judged:,} judged before were left out."
    if unusable:
        text += f" {unusable:,} cannot be used: see unetfx check."
    console.print(text)
    folder = config.labels_folder
    print(f"Pictures  {printable(os.path.relpath(folder / PAGE_FILE))}")
    print(f"Table     {printable(os.path.relpath(folder / TABLE_FILE))}")
