"""Training is not fragile: with no seed does the network end in one class."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import pipeline
from components.trainer.network.network import build_network
from components.trainer.training.losses import SegmentationLoss, balanced_weights
from components.trainer.training.metrics import ClassIoU
from components.trainer.training.optimizer import Adam
from components.trainer.training.steps import Steps
from data.config import DataConfig, ResizeView
from data.examples.reading import read_pair
from data.examples.writing import make_example
from data.input_pipeline.dataset import class_shares, read_batches, read_training_batches
from data.listing.pairs import find_pairs
from pipeline.config.loading import load_config

pytestmark = pytest.mark.slow
CONFIGS = Path(pipeline.__file__).parent / "configs"
SLICES = CONFIGS.parent.parent.parent / "shared" / "data" / "isbi-em"
VIEW = ResizeView(kind="resize", height=32, width=32)
BATCH_SIZE = 4


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


class Trainings:
    """Trainings of a narrow network with the loss of a config, each with another seed.

    All trainings use the same network, because tracing a new network would take as long as a
    training.
    """

    def __init__(self, config, files):
        self._model = config.model.model_copy(update={"width": 0.1})
        self._classes, self._files = config.data.classes, files
        self._augmentation = config.training.augmentation
        weights = config.training.class_weights
        if weights == "balanced":
            weights = balanced_weights(class_shares(files["train"], len(self._classes)))
        else:
            weights = [weights.get(name, 1.0) for name in self._classes]
        self._network = build_network(self._model, len(self._classes))
        # A narrow network learns slowly, and has few steps here.
        optimizer = Adam(keras.optimizers.schedules.PolynomialDecay(3e-3, 1, 3e-3))
        self._network.compile(optimizer, SegmentationLoss(config.training.loss, weights))
        optimizer.build(self._network.trainable_variables)
        self._steps = Steps(
            self._network,
            ClassIoU(self._classes),
            tf.distribute.get_strategy(),
            None,
            self._val_batches().element_spec,
        )

    def scores(self, seed):
        """Trains the network for a few steps on small views, and returns the scores on `val`."""
        keras.utils.set_random_seed(seed)
        untrained = build_network(self._model, len(self._classes))
        self._network.set_weights(untrained.get_weights())
        for variable in self._network.optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        for batch in self._training_batches(seed):
            assert np.isfinite(self._steps.train(batch))
        self._steps.reset_scores()
        for batch in self._val_batches():
            self._steps.validate(batch)
        return self._steps.scores()

    def _training_batches(self, seed):
        # Each pair occurs three times, so that there are enough steps.
        files = self._files["train"] * 3
        return read_training_batches(
            files, VIEW, BATCH_SIZE, seed=seed, augmentation=self._augmentation
        )

    def _val_batches(self):
        return read_batches(self._files["val"], VIEW, BATCH_SIZE)


@pytest.fixture(scope="module")
def blue_marble(tmp_path_factory):
    config = load_config(CONFIGS / "blue_marble.yaml")
    files = write_splits(tmp_path_factory.mktemp("blue_marble"), config.data, every=2)
    return Trainings(config, files)


@pytest.fixture(scope="module")
def isbi_em(tmp_path_factory):
    if not SLICES.exists():
        pytest.skip("no ISBI EM slices beside the repository")
    config = load_config(CONFIGS / "isbi_em.yaml")
    data = config.data.model_dump() | {"source": {"kind": "folder", "path": str(SLICES)}}
    config = config.model_copy(update={"data": DataConfig.model_validate(data)})
    return Trainings(config, write_splits(tmp_path_factory.mktemp("isbi_em"), config.data))


@pytest.mark.parametrize("seed", range(10))
def test_blue_marble(blue_marble, seed):
    scores = blue_marble.scores(seed)
    assert scores["predicted_classes"] > 1
    assert min(scores[f"iou/{name}"] for name in ("ocean", "land")) > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_isbi_em(isbi_em, seed):
    assert isbi_em.scores(seed)["predicted_classes"] > 1
