"""Comparisons of two runs: real records in ML Metadata, real files, real models."""

import csv
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from data.examples.shards import Shard, write_shard
from data.listing.pairs import find_pairs
from pipeline.reports.comparison import compare
from serving.model.export import export_saved_model
from tests.pages import DESKTOP, HOSTILE, PHONE, fits, hidden_numbers, serious_findings
from tests.pipeline.recorded_runs import CLASSES, Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def write_evaluation(folder, counts):
    """Writes the confusion matrix of each image: truth in rows, prediction in columns."""
    folder.mkdir(parents=True)
    rows = [
        {"key": key, "group": key, "source": "s", "candidate": matrix}
        for key, matrix in counts.items()
    ]
    (folder / "images-00000-of-00001.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def compared(workspace, before, after, **folders):
    folder = Path(workspace.config.artifacts_folder) / "Evaluator"
    ids = [
        workspace.record(
            number, Evaluator=write_evaluation(folder / f"e{number}", counts), **folders
        )
        for number, counts in enumerate((before, after))
    ]
    return Path(compare(workspace.config, *map(workspace.run, ids)))


def half_right(pixels):
    """The confusion matrix of an image with a hundred red pixels, so many of them correct."""
    return [[pixels, 100 - pixels], [0, 0]]


def test_of_thousands_of_images_the_page_shows_those_that_changed_most(workspace):
    count = 4000
    before = {f"{n:04d}": half_right(50) for n in range(count)}
    after = {f"{n:04d}": half_right(50 + (n % 7 - 3) * 5) for n in range(count)}
    page = compared(workspace, before, after)
    html = page.read_text()
    changes = [n % 7 - 3 for n in range(count)]
    worse, better = (sum(change * sign > 0 for change in changes) for sign in (-1, 1))
    assert f"Where it got worse: {worse} of {count} images" in html
    assert f"Where it got better: {better} of {count} images" in html
    assert f"And {worse - 100} more" in html
    shown = re.findall(r'<th scope="row">(\d{4})</th>', html)
    assert len(shown) == 200
    assert {int(key) % 7 for key in shown[:100]} == {0}
    assert {int(key) % 7 for key in shown[100:]} == {6}
    with page.with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == count
    # IoU of red: 35 of 100; green is predicted but does not occur.
    assert rows[0] == {
        "image": "0000",
        "mean before": "0.2500",
        "mean after": "0.1750",
        "red before": "0.5000",
        "red after": "0.3500",
        "green before": "0.0000",
        "green after": "0.0000",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_names_in_a_browser(workspace, opened, scheme):
    names = [f"{start}{HOSTILE}" for start in ("=", "+", "-", "@", "a")]
    page = compared(
        workspace, dict.fromkeys(names, half_right(9)), dict.fromkeys(names, half_right(1))
    )
    assert HOSTILE not in page.read_text()
    for viewport in (DESKTOP, PHONE):
        shown = opened(page, viewport, color_scheme=scheme)
        assert shown.locator("tbody th, table th[scope=row]").count() >= len(names)
        assert fits(shown)
        assert hidden_numbers(shown) == []
        assert serious_findings(shown) == []
    with page.with_suffix(".csv").open(newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} == {
            name if name.startswith("a") else f"'{name}" for name in names
        }


def test_runs_without_an_image_in_common_are_refused(workspace):
    with pytest.raises(InputError, match="no evaluated images in common"):
        compared(workspace, {"a": half_right(1)}, {"b": half_right(1)})


@pytest.fixture
def seen(workspace, tmp_path):
    """Six half green images and two models, the first of which predicts red everywhere."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for number in range(6):
        class_ids = np.zeros((16, 16), np.uint8)
        class_ids[8:] = 1
        pixels = np.eye(3, dtype=np.uint8)[class_ids] * 255
        Image.fromarray(pixels).save(tmp_path / "data/images" / f"{number}.png")
        Image.fromarray(class_ids).save(tmp_path / "data/masks" / f"{number}.png")
    data = workspace.config.data
    pairs = find_pairs(data, name="colours", folder="").pairs
    write_shard(Shard(str(tmp_path / "examples/Split-test/data.gz"), pairs), data)
    for name, weights in {"0": [[1, 0], [1, 0], [0, 0]], "1": [[1, 0], [0, 1], [0, 0]]}.items():
        images = keras.Input((None, None, 3))
        convolution = keras.layers.Conv2D(2, 1)
        network = keras.Model(images, convolution(images))
        convolution.set_weights([np.array(weights).reshape(1, 1, 3, 2) / 20, np.zeros(2)])
        folder = Path(workspace.config.artifacts_folder) / "Trainer" / name / "Format-Serving"
        export_saved_model(network, str(folder), classes=CLASSES, view=data.view)
    return tmp_path / "examples"


def test_images_that_changed_are_drawn_as_both_models_see_them(workspace, seen, opened):
    before = {str(n): [[128, 0], [128, 0]] for n in range(6)}
    after = {str(n): [[128, 0], [0, 128]] for n in range(1, 6)} | {"0": [[128, 0], [128, 0]]}
    page = compared(workspace, before, after, ExampleGen=seen)
    shown = opened(page, PHONE)
    assert fits(shown)
    assert serious_findings(shown) == []
    # The name of the class under the pointer: below the middle, only the second model sees green.
    for layer, name in (("truth", "green"), ("before", "red"), ("after", "green")):
        stack = shown.locator("[data-ids]").filter(has=shown.locator(f"img[alt={layer}]")).first
        stack.hover(position={"x": 5, "y": 0.9 * stack.bounding_box()["height"]})
        assert stack.locator(".name-tag").inner_text() == name
    html = page.read_text()
    assert html.count("<article") == 5
    assert "Where it got better: 5 of 6 images" in html
    folders = sorted(path for path in page.with_suffix("").iterdir())
    assert len(folders) == 5
    wrong = {
        when: np.asarray(Image.open(folders[0] / f"{when}_errors.png"))[..., 3] > 0
        for when in ("before", "after")
    }
    assert wrong["before"][8:].all()
    assert not wrong["before"][:8].any()
    assert not wrong["after"].any()
    for source in re.findall(r'<img [^>]*src="([^"]*)"', html):
        assert (page.parent / source).is_file()
