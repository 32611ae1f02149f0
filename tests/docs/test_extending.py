"""Follows the recipes of docs/extending.md on a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/extending.md").read_text()
PACKAGES = ("data", "serving", "components", "pipeline")
BLOCK = re.compile(
    r"^(?:New file|In) `(?P<file>\S+)`"
    r"(?:, (?P<place>below|above|instead of) the line `(?P<line>[^`]+)`)?:\n\n"
    r"```python\n(?P<code>.*?)```",
    re.M | re.S,
)
CONFIG_BLOCK = re.compile(r"^In a config:\n\n```yaml\n(.*?)```", re.M | re.S)
(CONFIG,) = re.findall(r"^UNETFX_CONFIG=(\S+) python pipeline/debug_runner.py$", PAGE, re.M)


def follow(block, repository):
    path = repository / block["file"]
    if not block["place"]:
        assert not path.exists()
        path.write_text(block["code"])
        return
    lines = path.read_text().splitlines(keepends=True)
    (index,) = (i for i, line in enumerate(lines) if line.strip() == block["line"])
    first = index + (block["place"] == "below")
    last = index + (block["place"] != "above")
    lines[first:last] = [block["code"]]
    path.write_text("".join(lines))


def run(*command, cwd):
    environment = os.environ | {"PYTHONPATH": str(cwd), "UNETFX_CONFIG": CONFIG}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def ruff(repository, command):
    run(sys.executable, "-m", "ruff", command, "--no-cache", ".", cwd=repository)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the repository after all recipes, with the config of the page and three pairs."""
    copy = tmp_path_factory.mktemp("repository")
    ignore = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, copy / package, ignore=ignore)
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    for block in BLOCK.finditer(PAGE):
        follow(block, copy)
    ruff(copy, "format")
    config = {"name": "cells"}
    for text in CONFIG_BLOCK.findall(PAGE):
        config |= yaml.safe_load(text)
    (copy / CONFIG).write_text(yaml.safe_dump(config))
    write_cells(copy / "cells")
    return copy


def write_cells(folder):
    class_ids = np.zeros((16, 16), np.uint8)
    class_ids[:4] = 1  # a quarter
    for kind in ("photos", "drawings"):
        (folder / kind).mkdir(parents=True)
    for name in "abc":
        Image.fromarray(np.full((16, 16, 3), 99, np.uint8)).save(folder / f"photos/{name}.png")
        Image.fromarray(class_ids).save(folder / f"drawings/{name}1.png")
    lines = [f"photos/{name}.png\tdrawings/{name}1.png" for name in "abca"]
    (folder / "pairs.txt").write_text("\n".join([*lines, "photos/d.png"]))


@pytest.fixture(scope="module")
def results(repository):
    """What the new encoder, loss, source, metric and runner do."""
    script = Path(__file__).with_name("extended_process.py")
    output = run(sys.executable, script, cwd=repository)
    return json.loads(output.splitlines()[-1])


def test_every_block_of_code_says_where_it_goes():
    assert len(BLOCK.findall(PAGE)) == PAGE.count("```python")
    assert len(CONFIG_BLOCK.findall(PAGE)) == PAGE.count("```yaml") == 4


def test_the_recipes_pass_the_linters(repository):
    ruff(repository, "check")
    run(Path(sys.executable).with_name("lint-imports"), "--no-cache", cwd=repository)


def test_the_encoder_gives_logits(results):
    channels = [16, 32, 64, 128, 256]
    skips = [[64 >> i, 64 >> i, count] for i, count in enumerate(channels)]
    assert results["encoder"] == {"logits": [1, 64, 64, 2], "finite": True, "skips": skips}


def test_the_loss_has_the_value_that_is_computed_by_hand(results):
    # Intersections 0.8 and 0.6; unions 1 + 1.2 - 0.8 and 1 + 0.8 - 0.6.
    jaccard = (1 - 0.8 / 1.4 + 1 - 0.6 / 1.2) / 2
    cross_entropy = -np.log(0.8 * 0.6) / 2
    assert results["loss"]["jaccard"] == pytest.approx(jaccard, rel=1e-5)
    assert results["loss"]["configured"] == pytest.approx(jaccard + cross_entropy, rel=1e-5)


def test_the_source_finds_pairs_that_become_examples(results):
    source = results["source"]
    assert source["pairs"] == [
        [f"photos/{name}", f"cells/photos/{name}.png", f"cells/drawings/{name}1.png"]
        for name in "bc"
    ]
    assert source["problems"] == [
        "cells/pairs.txt:5: expected an image and a mask with a tab between them. Correct the "
        "line.",
        *["cells/photos/a.png: another pair has the same key. Rename one of the images."] * 2,
    ]
    assert source["example"] == {"ground": 0.75, "cell": 0.25}


def test_the_evaluation_has_the_metrics(results):
    assert results["metric"] == pytest.approx(
        {"precision/ground": 6 / 7, "precision/cell": 3 / 5, "pixel_error": 3 / 12}
    )


def test_the_runner_builds_the_pipeline_for_its_platform(results, repository):
    runner = results["runner"]
    assert runner["code"] == 0
    assert {"ExampleGen", "Trainer", "Baseline", "Evaluator", "Report"} <= set(runner["nodes"])
    assert runner["reports"] == str(repository / "runs/cells/reports")


def test_the_documentation_of_the_config_has_the_new_names(results):
    page = results["documentation"]
    assert "`small`" in page
    assert "`jaccard`" in page
    assert "### data.source with kind: pair_list" in page


def test_messages_list_the_new_names(results):
    messages = results["refusals"]
    assert "model.encoder: " in messages["encoder"]
    assert "should be one of small, " in messages["encoder"]
    assert "'jaccard'" in messages["loss"]
    assert "'pair_list'" in messages["source"]


def test_the_gate_refuses_a_floor_where_less_is_better(results):
    message = results["refusals"]["metric"]
    assert "gate.floors: pixel_error cannot have a floor" in message
    assert "precision/cell" in message
