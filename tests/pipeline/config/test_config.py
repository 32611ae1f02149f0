import pytest

from data.config import Augmentation, CropView
from pipeline.config.loading import DEFAULT_CONFIG, load_config
from tests.pipeline.conftest import GOOD, changed

SHIPPED = sorted(DEFAULT_CONFIG.parent.glob("*.yaml"))
MANIFEST = {"kind": "manifest", "path": "pairs.csv"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configs_load(path):
    assert load_config(path).name == path.stem


def test_there_are_shipped_configs():
    assert DEFAULT_CONFIG in SHIPPED


def test_defaults(load):
    config = load(GOOD)
    assert config.workspace == "runs"
    assert config.data.view.model_dump() == {"kind": "resize", "height": 224, "width": 224}
    assert config.data.splits.model_dump() == {"train": 7, "val": 1, "test": 2}
    assert (config.data.ignore_value, config.data.mask_values) == (255, {})
    assert (config.model.encoder, config.model.decoder, config.model.freeze) == (
        "vgg16",
        "unet",
        "all",
    )
    assert config.gate.max_drop is None


def test_folders_lie_in_the_workspace(load, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = load(GOOD)
    assert config.home == tmp_path / "runs/discs"
    assert config.serving_folder == str(tmp_path / "runs/discs/serving/discs")
    assert config.reports_folder == str(tmp_path / "runs/discs/reports")


@pytest.mark.parametrize("name", ["a[1]", "a*", "what?"])
def test_a_workspace_that_tfx_would_read_as_a_pattern_is_refused(problems, name):
    (line,) = problems(changed(workspace=f"/data/{name}"))
    assert f"workspace: TFX reads the path /data/{name}/" in line
    assert "Choose a folder without these characters" in line


def test_slices_may_be_by_columns_of_a_manifest(load):
    slices = {"column/lens=a=b": {"mean_iou": 0.5}, "image/source=a": {"mean_iou": 0.5}}
    by = ["column/camera", "image/span", "column/lens"]
    text = changed(data__source=MANIFEST, gate__slices=slices, evaluation={"slices": by})
    assert load(text).columns_to_slice_by == ["camera", "lens"]


def test_training_on_crops(load):
    options = {"crops_per_image": 4, "class_aware_crops": 0.5, "augmentation": {"rotation": 10}}
    config = load(changed(data__view={"kind": "crop", "height": 64}, training=options))
    assert config.data.view == CropView(kind="crop", height=64, width=224)
    assert config.training.model_dump(include=set(options)) == {
        **options,
        "augmentation": Augmentation(rotation=10).model_dump(),
    }


@pytest.mark.parametrize("text", [GOOD, changed(tuner=None)])
def test_without_a_tuner_section_nothing_is_searched(load, text):
    assert load(text).tuner is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(gate__class_iou={"disk": 0.5}), ["gate.class_iou: disk is not among", "disc"]),
        (
            changed(gate__floors={"iou/disk": 0.5}),
            [
                "gate.floors: iou/disk cannot have a floor",
                "mean_dice",
                "boundary_iou/disc",
            ],
        ),
        (changed(gate__floors={"calibration_error": 0.5}), ["gate.floors: calibration_error"]),
        (
            changed(gate__slices={"image/source=a": {"iou": 0.5}}),
            ["gate.slices.image/source=a: iou cannot have a floor", "iou/disc"],
        ),
        (
            changed(gate__slices={"camera=a": {"mean_iou": 0.5}}),
            ["gate.slices.camera=a: should be feature=value", "image/source", "mask/disc"],
        ),
        (
            changed(gate__slices={"mask/disc": {"iou/disc": 0.5}}),
            ["gate.slices.mask/disc: should be"],
        ),
        (
            changed(evaluation={"slices": ["camera"]}),
            ["evaluation.slices: unknown feature camera", "image/span"],
        ),
        (
            changed(evaluation={"slices": ["column/camera"]}),
            ["evaluation.slices: unknown feature column/camera", "mask/disc"],
        ),
        (
            changed(data__source=MANIFEST, evaluation={"slices": ["camera"]}),
            ["evaluation.slices: unknown feature camera", "image/span", "column/<name>"],
        ),
        (
            changed(
                data__source=MANIFEST | {"columns": ["camera"]},
                gate__slices={"column/lens=a": {"mean_iou": 0.5}},
            ),
            ["gate.slices.column/lens=a: should be feature=value", "column/camera"],
        ),
        (changed(training__crops_per_image=4), ["training.crops_per_image: ", "kind resize"]),
        (changed(training__class_aware_crops=0.5), ["training.class_aware_crops: ", "resize"]),
        (
            changed(data__view={"kind": "crop"}, training__augmentation={"translation": 0.1}),
            ["training.augmentation.translation: has no effect", "kind crop"],
        ),
        (
            changed(training={"class_weights": {"disk": 3}}),
            ["training.class_weights: disk is not among the classes", "classes: ground, disc"],
        ),
        (
            changed(training__warmup_epochs=3, tuner={"search": {"width": [1]}, "epochs": 2}),
            ["tuner.epochs: should be at least training.warmup_epochs (3), found 2"],
        ),
    ],
    ids=lambda value: value[0].split(":")[0] if isinstance(value, list) else "in",
)
def test_sections_that_contradict_each_other_are_one_line(problems, text, words):
    (line,) = problems(text)
    assert line.startswith(words[0])
    assert all(word in line for word in words), line
