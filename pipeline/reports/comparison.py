"""Writes a page that compares two runs, image by image."""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tfx.utils import path_utils
from typing_extensions import Self

from components.evaluator.config import EVALUATED_SPLIT
from components.evaluator.evaluated_images import read_images
from components.evaluator.metrics import class_areas, iou, mean_of_defined
from components.example_gen.artifact import read_examples
from components.report.gallery import Drawing, Predict, draw_layers, find_examples, save_picture
from components.report.page import templates
from data.csv_text import csv_text
from data.errors import InputError
from data.files.finding import is_folder
from data.files.paths import join
from data.files.writing import write_text
from pipeline.config.config import Config
from pipeline.history.runs import Run
from pipeline.history.store import EVALUATION, EXAMPLES, MODEL
from pipeline.reports.publishing import publish, read_published
from serving.model.loading import ServedModel
from serving.palette import class_marks

# Maximum number of images in each table, and how many of them are also shown as pictures.
_MOST_ROWS, _MOST_DRAWN = 100, 6
_SMALLEST_CHANGE = 0.0005  # minimum difference in mean IoU that counts as a change
_BEFORE, _AFTER = "before", "after"


class _Pair(NamedTuple):
    """An image that both runs evaluated, with its mean IoU and class IoUs in each run."""

    key: str
    one: float
    two: float
    by_class: list[tuple[float | None, float | None]]

    @property
    def change(self) -> float:
        return self.two - self.one


class _Part(NamedTuple):
    """Either the images whose mean IoU fell or those whose mean IoU rose, largest change first."""

    title: str
    pairs: list[_Pair]
    shown: list[_Pair]
    drawn: list[_Pair]

    @classmethod
    def of(cls, title: str, pairs: list[_Pair]) -> Self:
        return cls(title, pairs, pairs[:_MOST_ROWS], pairs[:_MOST_DRAWN])


def compare(config: Config, one: Run, two: Run) -> str:
    """Writes a page that compares two runs, and a CSV table of the images that both runs evaluated.

    The page shows the images whose mean IoU changed most, with the predictions of both models on
    the examples of the later run.

    Args:
      config: The config of the pipeline.
      one: The earlier run, which must have a report.
      two: The later run, which must have a report.

    Returns:
      Path of the page; the table has the same path, but with the suffix `.csv`.

    Raises:
      InputError: The runs have no evaluated image in common, a run has a different number of
        classes than the config, or files of an evaluation or a report are missing.
    """
    runs, classes = (one, two), config.data.classes
    evaluated = [_ious(run) for run in runs]
    common = sorted(evaluated[0].keys() & evaluated[1].keys())
    if not common:
        raise InputError(
            f"{one.id} and {two.id} have no evaluated images in common. Compare runs on the same "
            "data."
        )
    if any(len(ious[common[0]]) != len(classes) for ious in evaluated):
        raise InputError(
            f"{one.id} and {two.id} do not have the {len(classes)} classes of the config. Compare "
            "runs with the same classes."
        )
    folders = [publish(config, run) for run in runs]
    pairs = [_pair(key, evaluated[0][key], evaluated[1][key]) for key in common]
    defined = sorted((pair for pair in pairs if pair.change == pair.change), key=lambda p: p.change)
    better = [pair for pair in reversed(defined) if pair.change > _SMALLEST_CHANGE]
    parts = [
        _Part.of(
            "Where it got worse", [pair for pair in defined if pair.change < -_SMALLEST_CHANGE]
        ),
        _Part.of("Where it got better", better),
    ]
    name = f"compare-{one.folder_name}-{two.folder_name}"
    page, table = (join(config.reports_folder, f"{name}.{suffix}") for suffix in ("html", "csv"))
    _write_table(table, classes, defined)
    html = (
        templates()
        .get_template("compare.html")
        .render(
            name=config.name,
            runs=runs,
            folders=[posixpath.basename(folder) for folder in folders],
            metrics=[read_published(folder) for folder in folders],
            classes=class_marks(classes),
            parts=parts,
            total=len(defined),
            table=posixpath.basename(table),
            pictures=_draw(runs, parts, config.reports_folder, name),
            only=[len(ious) - len(common) for ious in evaluated],
        )
    )
    write_text(page, html)
    return page


def _ious(run: Run) -> Mapping[str, npt.NDArray[np.float64]]:
    """Returns the class IoUs of each image, as a float64 array of shape [C], by image key.

    The confusion matrices are read one at a time, because all of them might not fit in memory.
    """
    uri = run.artifacts[EVALUATION].uri
    if not is_folder(uri):
        raise InputError(
            f"{run.id}: the scores of its images were removed, because only the artifacts of the "
            "newest runs are kept (retrain.keep_runs). Its report still exists: unetfx review "
            f"{run.id}"
        )
    return {
        image.key: iou(class_areas(image.candidate.confusion_matrix)) for image in read_images(uri)
    }


def _pair(key: str, before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> _Pair:
    by_class = zip(map(_number, before), map(_number, after), strict=True)
    return _Pair(key, mean_of_defined(before), mean_of_defined(after), list(by_class))


def _write_table(path: str, classes: Sequence[str], pairs: Sequence[_Pair]) -> None:
    heading = ["image", *(f"mean {when}" for when in (_BEFORE, _AFTER))]
    heading += [f"{name} {when}" for name in classes for when in (_BEFORE, _AFTER)]
    rows = [
        [pair.key, *("" if n is None else f"{n:.4f}" for n in (pair.one, pair.two, *by_class))]
        for pair in pairs
        for by_class in [[value for both in pair.by_class for value in both]]
    ]
    write_text(path, csv_text([heading, *rows]))


def _draw(
    runs: Sequence[Run], parts: Sequence[_Part], reports: str, name: str
) -> Mapping[str, Any]:
    """Draws the images, and returns the template data for each image, by image key.

    The result is empty if there is nothing to draw or if the files of a model are missing.

    Args:
      runs: The two runs.
      parts: Parts of the page, whose images are drawn.
      reports: Folder for published reports, local or remote.
      name: Name of the sub-folder of `reports` for the pictures.
    """
    drawn = {pair.key: pair for part in parts for pair in part.drawn}
    paths = [path_utils.serving_model_path(run.artifacts[MODEL].uri) for run in runs]
    if not drawn or not all(map(is_folder, paths)):
        return {}
    models = dict(zip((_BEFORE, _AFTER), map(_predictor, paths), strict=True))
    examples = read_examples(runs[1].artifacts[EXAMPLES].uri, EVALUATED_SPLIT)
    return {
        key: _card(drawn[key], draw_layers(example, models), reports, f"{name}/{number}")
        for number, (key, example) in enumerate(find_examples(examples, drawn))
    }


def _card(pair: _Pair, drawing: Drawing, reports: str, folder: str) -> Mapping[str, Any]:
    for name, picture in drawing.pictures.items():
        save_picture(join(reports, f"{folder}/{name}"), picture)
    width, height = drawing.pictures["image.jpg"].size
    return {
        "folder": folder,
        "width": width,
        "height": height,
        "ids": drawing.ids,
        "present": [number for number, both in enumerate(pair.by_class) if both != (None, None)],
        "ious": [after for _, after in pair.by_class],
    }


def _predictor(path: str) -> Predict:
    model = ServedModel(path)
    return lambda encoded: model.predict([encoded])[0].class_ids


def _number(value: float) -> float | None:
    return None if value != value else float(value)
