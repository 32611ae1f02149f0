import keras
import numpy as np
import pytest
from PIL import Image

from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.folds import fold_of, train_folds
from components.trainer.training import training as training_module
from data.config import DataConfig, ResizeView
from data.errors import InputError
from data.examples.reading import read_pair
from data.examples.writing import make_example
from data.listing.pair import Pair
from serving.model.loading import ServedModel

CLASSES = ["dark", "bright"]
DATA = DataConfig(source={"kind": "folder", "path": "x"}, classes=CLASSES)
SETTINGS = TrainerSettings(
    classes=CLASSES,
    view=ResizeView(kind="resize", height=32, width=32),
    model=ModelConfig(weights="none"),
    training=TrainingConfig(
        precision="float32", batch_size=2, epochs=1, feature_memory_mib=0, warm_start=True
    ),
    code="1",
)


def test_groups_are_spread_and_stay_together():
    counts = np.bincount([fold_of(f"group {number}", 4) for number in range(1000)])
    assert len(counts) == 4
    assert counts.min() > 200
    assert fold_of("plate3", 5) == fold_of("plate3", 5)


@pytest.fixture
def pairs(tmp_path):
    """Twelve pairs, whose left half is dark and whose right half is bright."""
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 1
    pairs = []
    for number in range(12):
        files = [str(tmp_path / f"{kind}{number}.png") for kind in ("image", "mask")]
        Image.fromarray(200 * mask + np.uint8(number)).save(files[0])
        Image.fromarray(mask).save(files[1])
        pairs.append(Pair(f"{number}", *files, f"group {number}", "", 0, "train"))
    return pairs


def test_each_model_learns_from_the_other_folds(pairs, tmp_path, monkeypatch):
    def one_convolution(config, num_classes):
        images = keras.Input((None, None, 3))
        scaled = keras.layers.Rescaling(1 / 255, name=config.encoder)(images)
        return keras.Model(images, keras.layers.Conv2D(num_classes, 1)(scaled))

    learnt = []

    class Recorded(training_module.Training):
        def __init__(self, settings, strategy, train_files, val_files, **options):
            learnt.append((train_files, val_files))
            assert not settings.training.warm_start
            super().__init__(settings, strategy, train_files, val_files, **options)

        def run(self):
            super().run()
            return {"val_predicted_classes": 2, "val_true_classes": 2}

    monkeypatch.setattr(training_module, "build_network", one_convolution)
    monkeypatch.setattr("components.trainer.folds.Training", Recorded)
    messages = []
    models = train_folds(iter(pairs), DATA, SETTINGS, 3, tmp_path / "folds", messages.append)
    assert messages == [f"Training without fold {number} of 3" for number in (1, 2, 3)]
    for fold, (train, val) in enumerate(learnt):
        assert len(train) == len(val) == 1
        assert all(f"fold{fold:03d}-" not in name for name in [*train, *val])
        assert train != val
    example = make_example(read_pair(pairs[1], DATA), DATA.classes).SerializeToString()
    by_model = [ServedModel(path).doubts(example) for path in models]
    assert by_model[0].classes.shape == (8, 8)
    assert by_model[0].quality != by_model[1].quality


def test_a_fold_without_pairs_is_one_line(pairs, tmp_path):
    one_group = [pair._replace(group="all") for pair in pairs]
    with pytest.raises(InputError) as caught:
        train_folds(one_group, DATA, SETTINGS, 3, tmp_path / "folds", print)
    assert "has no usable pair, since groups are not divided. Give fewer folds" in str(caught.value)
