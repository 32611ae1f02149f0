"""Trains models by cross-validation: each mask is scored by a model that did not learn it."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import tensorflow as tf

from components.trainer.config import TrainerSettings
from components.trainer.training.collapse import COLLAPSED, has_collapsed
from components.trainer.training.training import Training
from data.config import DataConfig
from data.errors import InputError
from data.examples.shards import Shard, write_shard
from data.listing.pair import Pair
from serving.model.export import export_saved_model

_PAIRS_IN_A_SHARD = 100


def fold_of(group: str, folds: int) -> int:
    """Returns the number of the fold of a group, from 0; groups are never divided among folds.

    Args:
      group: Name of the group.
      folds: Number of folds.
    """
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") % folds


def train_folds(
    pairs: Iterable[Pair],
    data: DataConfig,
    settings: TrainerSettings,
    folds: int,
    folder: Path,
    report: Callable[[str], None],
) -> list[str]:
    """Trains a model for each fold on the other folds, with the settings of the pipeline.

    Of the other folds, the next one is used in place of `val`, to choose the best epoch. A frozen
    encoder is the same in all models, so that only the decoders learn.

    Args:
      pairs: The pairs of all splits. Pairs that cannot be used are left out.
      data: The `data` section of the config.
      settings: Trainer settings of the pipeline.
      folds: Number of folds, at least 3.
      folder: Folder for the examples, the checkpoints and the models.
      report: Function that shows a message to the user.

    Returns:
      Paths of the SavedModels, by the number of the fold that the model did not learn.

    Raises:
      InputError: A fold has no usable pair, the settings are invalid, or a model predicts only one
        class.
      FailedTrainingError: A batch does not fit into memory, or the loss is NaN or infinite.
    """
    _write_examples(pairs, data, folds, folder)
    # A model that starts from the weights of an earlier one would already know the masks.
    training = settings.training.model_copy(update={"warm_start": False})
    settings = settings.model_copy(update={"training": training})
    models = []
    for fold in range(folds):
        report(f"Training without fold {fold + 1} of {folds}")
        keras.utils.clear_session()
        val = (fold + 1) % folds
        names = [f"{_name(folder, other)}*" for other in range(folds) if other not in (fold, val)]
        run = Training(
            settings,
            tf.distribute.get_strategy(),
            names,
            [f"{_name(folder, val)}*"],
            folder=str(folder / f"checkpoints{fold}"),
            log_dir=str(folder / f"logs{fold}"),
            shown=False,
        )
        if has_collapsed(run.run()):
            raise InputError(COLLAPSED)
        models.append(str(folder / f"model{fold}"))
        export_saved_model(
            run.network,
            models[-1],
            classes=settings.classes,
            view=settings.view,
            intensity_range=settings.intensity_range,
            max_pixels=settings.max_pixels,
            flips=settings.flips,
        )
    return models


def _write_examples(pairs: Iterable[Pair], data: DataConfig, folds: int, folder: Path) -> None:
    waiting: list[list[Pair]] = [[] for _ in range(folds)]
    shards, usable = [0] * folds, [0] * folds

    def write(fold: int) -> None:
        path = f"{_name(folder, fold)}{shards[fold]:06d}.gz"
        usable[fold] += write_shard(Shard(path, waiting[fold]), data).tally.good.total()
        shards[fold] += 1
        waiting[fold].clear()

    for pair in pairs:
        fold = fold_of(pair.group, folds)
        waiting[fold].append(pair)
        if len(waiting[fold]) == _PAIRS_IN_A_SHARD:
            write(fold)
    for fold in range(folds):
        if waiting[fold]:
            write(fold)
    if not all(usable):
        raise InputError(
            f"--folds {folds}: fold {usable.index(0) + 1} has no usable pair, since groups are not "
            "divided. Give fewer folds, at least 3, or add pairs of other groups."
        )


def _name(folder: Path, fold: int) -> str:
    """Returns the beginning of the paths of a fold's shards."""
    return str(folder / f"fold{fold:03d}-")
