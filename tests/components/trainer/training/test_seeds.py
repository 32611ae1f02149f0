"""Training is not fragile: with no seed does the network end in one class."""

import csv
from pathlib import Path

import pytest
import tensorflow as tf
from tfx import v1 as tfx

import pipeline
from components.trainer import run
from components.trainer.config import TrainerSettings
from data.config import DataConfig
from data.examples.reading import read_pair
from data.examples.writing import make_example
from data.listing.pairs import find_pairs
from pipeline.config.loading import load_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_coverage")]
CONFIGS = Path(pipeline.__file__).parent / "configs"
SLICES = CONFIGS.parent.parent.parent / "shared" / "data" / "isbi-em"
SIDE = 64  # pixels


def write_splits(folder, data, every=1):
    """Writes every nth pair of `train` and `val` as ExampleGen does."""
    files = {}
    pairs = find_pairs(data, name="seeds", folder=str(folder / "source")).pairs
    for split in ("train", "val"):
        files[split] = [str(folder / f"{split}.gz")]
        with tf.io.TFRecordWriter(*files[split], "GZIP") as writer:
            for pair in [pair for pair in pairs if pair.split == split][::every]:
                example = make_example(read_pair(pair, data), data.classes)
                writer.write(example.SerializeToString())
    return files


@pytest.fixture(autouse=True)
def no_export(monkeypatch):
    """Leaves out the exports, which would take as long as the trainings."""
    monkeypatch.setattr(run, "export_saved_model", lambda *arguments, **options: None)


@pytest.fixture(scope="module")
def blue_marble(tmp_path_factory):
    config = load_config(CONFIGS / "blue_marble.yaml")
    return config, write_splits(tmp_path_factory.mktemp("blue_marble"), config.data, every=2)


@pytest.fixture(scope="module")
def isbi_em(tmp_path_factory):
    if not SLICES.exists():
        pytest.skip("no ISBI EM slices beside the repository")
    config = load_config(CONFIGS / "isbi_em.yaml")
    data = config.data.model_dump() | {"source": {"kind": "folder", "path": str(SLICES)}}
    config = config.model_copy(update={"data": DataConfig.model_validate(data)})
    return config, write_splits(tmp_path_factory.mktemp("isbi_em"), config.data)


def train(config, files, seed, out):
    """Trains a narrow network for a few epochs on small views, with the loss of the config."""
    settings = TrainerSettings.model_validate(
        {
            "classes": config.data.classes,
            "view": {"kind": "resize", "height": SIDE, "width": SIDE},
            "model": config.model.model_dump() | {"width": 0.1},
            "training": {
                "loss": config.training.loss,
                "class_weights": config.training.class_weights,
                "learning_rate": 3e-3,  # a narrow network learns slowly, and has few steps here
                "batch_size": 4,
                "epochs": 1,
                "seed": seed,
                "precision": "float32",
            },
            "code": "1",
        }
    )
    run.run_fn(
        tfx.components.FnArgs(
            # One epoch on each pair three times: three epochs would also validate three times.
            train_files=files["train"] * 3,
            eval_files=files["val"],
            serving_model_dir=str(out / "model"),
            model_run_dir=str(out / "logs" / "1"),
            custom_config={
                run.SETTINGS: settings.model_dump_json(),
                run.UNFINISHED: str(out / "unfinished"),
            },
        )
    )
    with (out / "logs" / "1" / "phase1" / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("seed", range(10))
def test_blue_marble(blue_marble, tmp_path, seed):
    epochs = train(*blue_marble, seed, tmp_path)
    assert float(epochs[-1]["val_predicted_classes"]) > 1
    assert min(float(epochs[-1][f"val_iou/{name}"]) for name in ("ocean", "land")) > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_isbi_em(isbi_em, tmp_path, seed):
    epochs = train(*isbi_em, seed, tmp_path)
    assert float(epochs[-1]["val_predicted_classes"]) > 1
