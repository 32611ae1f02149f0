"""A page that sets two runs side by side, image by image."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image
from tfx.utils import path_utils
from typing_extensions import Self

from components.evaluator.component import SPLIT
from components.evaluator.evaluated_images import read_images
from components.evaluator.metrics import iou, mean_of_defined
from components.example_gen.artifact import read_examples
from components.report.gallery import Predict, draw_layers, find_examples
from components.report.page import class_marks, templates
from data.errors import InputError
from data.files import new_file
from pipeline.config.config import Config
from pipeline.history.runs import Run
from pipeline.reports.publishing import publish, read_published
from serving.model.loading import ServedModel

_MOST, _DRAWN = 100, 6  # images in a table, and with pictures
_NOTICED = 0.0005  # of mean IoU: less is no change
_BEFORE, _AFTER = "before", "after"


class _Pair(NamedTuple):
    """An image that both of two runs evaluated: mean IoU, and that of each class."""

    key: str
    one: float
    two: float
    by_class: list[tuple[float | None, float | None]]

    @property
    def change(self) -> float:
        return self.two - self.one


class _Part(NamedTuple):
    """The images that changed in one way, those that changed most first."""

    title: str
    pairs: list[_Pair]
    shown: list[_Pair]
    drawn: list[_Pair]

    @classmethod
    def of(cls, title: str, pairs: list[_Pair]) -> Self:
        return cls(title, pairs, pairs[:_MOST], pairs[:_DRAWN])


def compare(config: Config, one: Run, two: Run) -> Path:
    """Writes a page that sets two runs side by side, and a table of all images beside it.

    Pictures are of the images that changed most, by both models, on the later run's examples.

    Args:
      config: Names the pipeline.
      one: A run that has a report.
      two: Another one.

    Returns:
      The page; the table has its name, and the suffix `.csv`.

    Raises:
      InputError: The two evaluated no image in common, or have other classes; or what one of them
        measured is gone.
    """
    runs, classes = (one, two), config.data.classes
    for run in runs:
        if not Path(run.artifacts["ModelEvaluation"].uri).exists():
            raise InputError(
                f"{run.id}: what it measured of each image is gone, since only the newest runs' "
                "artifacts are kept (retrain.keep_runs). Its report is there still: unetfx review."
            )
    folders = [publish(config, run) for run in runs]
    evaluated = [_ious(run) for run in runs]
    common = sorted(evaluated[0].keys() & evaluated[1].keys())
    if not common:
        raise InputError(f"{one.id} and {two.id} evaluated no image in common: nothing to compare.")
    if any(len(found[common[0]]) != len(classes) for found in evaluated):
        raise InputError(f"{one.id} and {two.id} do not have the config's classes.")
    pairs = [_pair(key, evaluated[0][key], evaluated[1][key]) for key in common]
    defined = sorted((pair for pair in pairs if pair.change == pair.change), key=lambda p: p.change)
    better = [pair for pair in reversed(defined) if pair.change > _NOTICED]
    parts = [
        _Part.of("Where it got worse", [pair for pair in defined if pair.change < -_NOTICED]),
        _Part.of("Where it got better", better),
    ]
    page = config.reports_folder / f"compare-{one.folder_name}-{two.folder_name}.html"
    table = page.with_suffix(".csv")
    _write_table(table, classes, defined)
    html = (
        templates()
        .get_template("compare.html")
        .render(
            name=config.name,
            runs=runs,
            folders=[folder.name for folder in folders],
            metrics=[read_published(folder) for folder in folders],
            classes=class_marks(classes),
            parts=parts,
            total=len(defined),
            table=table.name,
            pictures=_draw(runs, parts, page.with_suffix("")),
            only=[len(found) - len(common) for found in evaluated],
        )
    )
    with new_file(str(page)) as file:
        file.write(html.encode())
    return page


def _ious(run: Run) -> Mapping[str, npt.NDArray[np.float64]]:
    """Each image's key to the IoU of each class: matrices of thousands would fill the memory."""
    uri = run.artifacts["ModelEvaluation"].uri
    return {image.key: iou(image.candidate) for image in read_images(uri)}


def _pair(key: str, before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> _Pair:
    by_class = zip(map(_number, before), map(_number, after), strict=True)
    return _Pair(key, mean_of_defined(before), mean_of_defined(after), list(by_class))


def _write_table(path: Path, classes: Sequence[str], pairs: Sequence[_Pair]) -> None:
    heading = ["image", *(f"mean {when}" for when in (_BEFORE, _AFTER))]
    heading += [f"{name} {when}" for name in classes for when in (_BEFORE, _AFTER)]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(heading)
        for pair in pairs:
            numbers = [pair.one, pair.two, *(value for both in pair.by_class for value in both)]
            rows.writerow([pair.key, *("" if n is None else f"{n:.4f}" for n in numbers)])


def _draw(runs: Sequence[Run], parts: Sequence[_Part], folder: Path) -> Mapping[str, Any]:
    """Each drawn image's key to what its card shows; none if the models' files are gone."""
    drawn = {pair.key: pair for part in parts for pair in part.drawn}
    paths = [path_utils.serving_model_path(run.artifacts["Model"].uri) for run in runs]
    if not drawn or not all(tf.io.gfile.exists(path) for path in paths):
        return {}
    models = dict(zip((_BEFORE, _AFTER), map(_predictor, paths), strict=True))
    examples = read_examples(runs[1].artifacts["Examples"].uri, SPLIT)
    found = enumerate(find_examples(examples, drawn))
    return {
        key: _card(drawn[key], draw_layers(example, models), folder / str(number))
        for number, (key, example) in found
    }


def _card(pair: _Pair, pictures: Mapping[str, Image.Image], folder: Path) -> Mapping[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        picture.save(folder / name)
    width, height = pictures["image.jpg"].size
    return {
        "folder": f"{folder.parent.name}/{folder.name}",
        "width": width,
        "height": height,
        "present": [number for number, both in enumerate(pair.by_class) if both != (None, None)],
        "ious": [after for _, after in pair.by_class],
    }


def _predictor(path: str) -> Predict:
    model = ServedModel(path)
    return lambda encoded: model.predict([encoded])[0].class_ids


def _number(value: float) -> float | None:
    return None if value != value else float(value)
