"""Uses what the recipes of docs/extending.md add, in a copy of the repository.

python extended_process.py, in the copy; UNETFX_CONFIG names a config that uses them all. The
results are printed as JSON, by recipe.
"""

import json
import os
import runpy
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
from tfx import v1 as tfx

import pipeline
from components.evaluator.metrics import Counts
from components.evaluator.tfma_metrics import SegmentationMetrics
from components.trainer.network.network import build_network
from components.trainer.training.losses import SegmentationLoss
from data.errors import InputError
from data.examples.features import fraction
from data.examples.reading import read_pair
from data.examples.writing import make_example
from data.listing.pairs import find_pairs
from pipeline.config.documentation import config_schema, page_text
from pipeline.config.loading import config_path, load_config

CONFIG = config_path()


def encoder(config):
    network = build_network(config.model, 2)
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    logits = np.asarray(network(image))
    skips = [list(output.shape[1:]) for output in network.get_layer("small")(image)]
    return {"logits": logits.shape, "finite": bool(np.isfinite(logits).all()), "skips": skips}


def loss(config):
    # The third pixel is ignored, and the third class is in no mask.
    probabilities = np.array([[[[0.8, 0.2, 0], [0.4, 0.6, 0], [0, 0, 1]]]])
    logits = np.log(np.maximum(probabilities, 1e-9)).astype(np.float32)
    truth = np.array([[[0, 1, 255]]], np.uint8)
    return {
        "jaccard": float(SegmentationLoss({"jaccard": 1.0}, [1.0] * 3)(truth, logits)),
        "configured": float(SegmentationLoss(config.training.loss, [1.0] * 3)(truth, logits)),
    }


def source(config):
    found = find_pairs(config.data, name=config.name, folder="")
    example = make_example(read_pair(found.pairs[0], config.data), config.data.classes)
    return {
        "pairs": [(pair.key, pair.image, pair.mask) for pair in found.pairs],
        "problems": list(map(str, found.problems)),
        "example": {
            name: example.features.feature[fraction(name)].float_list.value[0]
            for name in config.data.classes
        },
    }


def metric(config):
    matrix = np.array([[6, 2], [1, 3]])  # truth in rows
    counts = Counts(1, matrix, np.zeros((2, 2), np.int64), np.zeros((15, 3)))
    computations = SegmentationMetrics(config.data.classes).computations()
    (derived,) = (each for each in computations if hasattr(each, "result"))
    (key,) = (key for each in computations if each is not derived for key in each.keys)
    values = {key.name: value for key, value in derived.result({key: counts}).items()}
    return {name: values[name] for name in ("precision/ground", "precision/cell", "pixel_error")}


def runner(config):
    built = []
    tfx.orchestration.LocalDagRunner.run = lambda self, pipeline: built.append(pipeline)
    try:
        runpy.run_path(str(Path("pipeline/debug_runner.py")), run_name="__main__")
    except SystemExit as exit_code:
        code = exit_code.code
    nodes = {node.id: node for node in built[0].components}
    report = json.loads(nodes["Report"].exec_properties["settings"])
    return {"code": code, "nodes": sorted(nodes), "reports": report["folder"]}


def documentation(config):
    return page_text(config_schema())


def refusals(config):
    """Returns the messages about four mistakes in the config."""
    text = CONFIG.read_text()
    mistakes = {
        "encoder": ("encoder: small", "encoder: smal"),
        "loss": ("jaccard:", "jacard:"),
        "source": ("pair_list", "pairs_list"),
        "metric": ("precision/cell", "pixel_error"),
    }
    messages = {}
    for name, (right, wrong) in mistakes.items():
        wrong_config = CONFIG.with_name("wrong.yaml")
        wrong_config.write_text(text.replace(right, wrong))
        try:
            load_config(wrong_config)
        except InputError as error:
            messages[name] = str(error)
    return messages


if __name__ == "__main__":
    assert Path(pipeline.__file__).is_relative_to(Path.cwd())
    parsed = load_config(CONFIG)
    recipes = (encoder, loss, source, metric, runner, documentation, refusals)
    print(json.dumps({recipe.__name__: recipe(parsed) for recipe in recipes}))
