from pathlib import Path

import pytest

from data.config import Augmentation, CropView
from data.errors import InputError
from pipeline.config.loading import DEFAULT_CONFIG, ENVIRONMENT_VARIABLE, config_path, load_config
from tests.pipeline.conftest import GOOD, changed

SHIPPED = sorted(DEFAULT_CONFIG.parent.glob("*.yaml"))
MANIFEST = {"kind": "manifest", "path": "pairs.csv"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configs_load(path):
    assert load_config(path).name == path.stem


def test_there_are_shipped_configs():
    assert DEFAULT_CONFIG in SHIPPED


def test_what_is_not_said_has_a_default(load):
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
    assert config.reports_folder == tmp_path / "runs/discs/reports"


def test_slices_may_be_by_columns_of_a_manifest(load):
    slices = {"column/lens=a=b": {"mean_iou": 0.5}, "image/source=a": {"mean_iou": 0.5}}
    by = ["column/camera", "image/span", "column/lens"]
    text = changed(data__source=MANIFEST, gate__slices=slices, evaluation={"slices": by})
    assert load(text).columns_to_slice_by == ["camera", "lens"]


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.0e-4", "0.0001", "+1.e-4"])
def test_numbers_are_numbers_as_everybody_writes_them(load, number):
    config = load(GOOD + f"training: {{learning_rate: {number}}}\n")
    assert config.training.learning_rate == pytest.approx(1e-4)


def test_text_that_looks_a_little_like_a_number_stays_text(load):
    assert load(GOOD.replace("discs", "1e4x")).name == "1e4x"


def test_mask_values_have_whole_numbers_as_keys(load):
    config = load(changed(data__mask_values={0: "ground", 255: "disc"}))
    assert config.data.mask_values == {0: "ground", 255: "disc"}


def test_training_on_crops(load):
    options = {"crops_per_image": 4, "class_aware_crops": 0.5, "augmentation": {"rotation": 10}}
    config = load(changed(data__view={"kind": "crop", "height": 64}, training=options))
    assert config.data.view == CropView(kind="crop", height=64, width=224)
    assert config.training.model_dump(include=set(options)) == {
        **options,
        "augmentation": Augmentation(rotation=10).model_dump(),
    }


@pytest.mark.parametrize("freeze", ["all", "none", 10])
def test_freeze_is_a_word_or_a_number(load, freeze):
    assert load(changed(model__freeze=freeze)).model.freeze == freeze


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(model__encodr="vgg16"), ["model.encodr: unknown key", "did you mean encoder?"]),
        (changed(trainng={}), ["trainng: unknown key", "did you mean training?"]),
        (changed(beam__options={}), ["beam.profile: missing"]),
        (changed(beam__profile="slurm"), ["beam.profile: should be one of 'local', 'flink'"]),
        (changed(beam__profile="flink"), ["beam.master: missing"]),
        (changed(beam={"profile": "local", "optons": {}}), ["beam.optons: unknown key"]),
        (
            changed(beam={"profile": "portable", "job_server": "here"}),
            ["beam.job_server: should be host:port, found 'here'"],
        ),
        (changed(gate__qqq=1), ["gate.qqq: unknown key"]),
        (changed(data__source__imges="x"), ["data.source.imges: unknown key"]),
        (changed(training__epochs="four"), ["training.epochs: ", "valid integer", "'four'"]),
        (changed(training__epochs=4.5), ["training.epochs: ", "integer", "4.5"]),
        (changed(data__classes="ground"), ["data.classes: ", "list", "'ground'"]),
        (changed(model="vgg16"), ["model: ", "'vgg16'"]),
        (changed(name=7), ["name: ", "string", "7"]),
        (changed(airflow__schedule="nightly"), ["airflow.schedule: ", "cron", "'nightly'"]),
        (changed(airflow__schedule="30 2 * *"), ["airflow.schedule: ", "five fields"]),
        (changed(airflow__retries=-1), ["airflow.retries: ", "greater than or equal to 0", "-1"]),
        (changed(name="my discs"), ["name: ", "pattern", "'my discs'"]),
        (changed(training__batch_size=0), ["training.batch_size: ", "greater", "1", "0"]),
        (changed(training__learning_rate=-1.0), ["training.learning_rate: ", "greater", "-1.0"]),
        (changed(gate__mean_iou=60.0), ["gate.mean_iou: ", "less than or equal to 1", "60"]),
        (changed(data__splits__val=0), ["data.splits.val: ", "greater", "0"]),
        (
            changed(data__view={"kind": "resize", "height": 7}),
            ["data.view.height: ", "16", "7"],
        ),
        (changed(model__freeze="some"), ["model.freeze: ", "number of layers", "'some'"]),
        (changed(model__freeze=-1), ["model.freeze: ", "number of layers", "-1"]),
        (changed(training__learning_rate=float("inf")), ["training.learning_rate: ", "finite"]),
        (changed(model__dropout=1.0), ["model.dropout: ", "less than 1", "1.0"]),
        (changed(training__warm_start="yes"), ["training.warm_start: ", "boolean", "'yes'"]),
        (changed(model__decoder="segnet"), ["model.decoder: ", "'unet'", "'segnet'"]),
        (changed(data__source__kind="ftp"), ["data.source", "'folder'", "ftp"]),
        (changed(data__group="("), ["data.group: not a regular expression"]),
        (changed(data__ignore_value=1), ["data", "ignore_value: 1 is the id of", "disc"]),
        (changed(data__mask_values={0: "disk"}), ["mask_values: disk is not among the classes"]),
        (changed(data__mask_values={"a": "disc"}), ["data.mask_values", "a number from 0", "'a'"]),
        (changed(data__mask_values={70000: "disc"}), ["data.mask_values", "65535", "70000"]),
        (changed(data__classes=["a", "a"]), ["classes: ", "twice"]),
        (changed(gate__class_iou={"disk": 0.5}), ["gate.class_iou: disk is not among", "disc"]),
        (
            changed(gate__floors={"iou/disk": 0.5}),
            ["gate.floors: iou/disk is no metric", "mean_dice", "boundary_iou/disc"],
        ),
        (changed(gate__floors={"calibration_error": 0.5}), ["gate.floors: calibration_error"]),
        (
            changed(gate__slices={"image/source=a": {"iou": 0.5}}),
            ["gate.slices.image/source=a: iou is no metric", "iou/disc"],
        ),
        (
            changed(gate__slices={"camera=a": {"mean_iou": 0.5}}),
            ["gate.slices.camera=a: should be feature=value", "image/source", "mask/disc"],
        ),
        (
            changed(gate__slices={"mask/disc": {"iou/disc": 0.5}}),
            ["gate.slices.mask/disc: should be"],
        ),
        (changed(evaluation={"slices": ["camera"]}), ["evaluation.slices: camera", "image/span"]),
        (
            changed(evaluation={"slices": ["column/camera"]}),
            ["evaluation.slices: column/camera is no feature", "mask/disc"],
        ),
        (
            changed(data__source=MANIFEST, evaluation={"slices": ["camera"]}),
            ["evaluation.slices: camera", "image/span", "column/<name>"],
        ),
        (
            changed(
                data__source=MANIFEST | {"columns": ["camera"]},
                gate__slices={"column/lens=a": {"mean_iou": 0.5}},
            ),
            ["gate.slices.column/lens=a: should be feature=value", "column/camera"],
        ),
        (changed(retrain={"keep_runs": 0}), ["retrain.keep_runs: ", "greater", "1", "0"]),
        (changed(retrain={"notify": {"command": []}}), ["retrain.notify.command: ", "1 item"]),
        (
            changed(training__augmentation={"rotate": 5}),
            ["training.augmentation.rotate", "rotation"],
        ),
        (
            changed(training__augmentation={"hue": 0.7}),
            ["training.augmentation.hue: ", "0.5", "0.7"],
        ),
        (changed(training__crops_per_image=4), ["training.crops_per_image: ", "kind resize"]),
        (changed(training__class_aware_crops=0.5), ["training.class_aware_crops: ", "resize"]),
        (
            changed(data__view={"kind": "crop"}, training__augmentation={"translation": 0.1}),
            ["training.augmentation.translation: does nothing", "kind crop"],
        ),
        (changed(gate={}), ["gate: ", "no floor"]),
        (GOOD.replace("gate: {mean_iou: 0.6}", ""), ["gate: missing"]),
        (GOOD.replace("name: discs", ""), ["name: missing"]),
        (GOOD.replace("path: some/where", ""), ["data.source.path: missing"]),
    ],
    ids=lambda value: value[0].split(":")[0] if isinstance(value, list) else "in",
)
def test_what_is_wrong_is_said_in_one_line(problems, text, words):
    (line,) = problems(text)
    places = [line.find(word) for word in words]
    assert -1 not in places, line
    assert line.startswith(words[0]) or line.startswith("data"), line
    assert ".folder." not in line
    assert "http" not in line


def test_all_that_dataflow_lacks_is_told(problems):
    assert problems(changed(beam={"profile": "dataflow", "region": "r"})) == [
        "beam.project: missing",
        "beam.temp_location: missing",
        "beam.image: missing",
    ]


def test_a_webhook_without_a_scheme_is_told_what_is_missing(problems):
    [line] = problems(changed(retrain={"notify": {"webhook": "hooks.example.org"}}))
    assert "retrain.notify.webhook: should begin with https://" in line
    assert "'hooks.example.org'" in line


def test_every_problem_has_its_line(problems):
    text = changed(training__epochs=0, model__decodr="unet", gate__mean_iou=2.0)
    assert [line.split(":")[0] for line in problems(text)] == [
        "model.decodr",
        "training.epochs",
        "gate.mean_iou",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [discs\ndata:", "not YAML"),
        ("name: discs\n\tdata: 1", "not YAML"),
        ("- a\n- b\n", "expected keys and values"),
        ("", "expected keys and values"),
        ("just words", "expected keys and values"),
        ("name: !!python/object/apply:os.getcwd []", "not YAML"),
    ],
    ids=["open bracket", "tab", "a list", "empty", "text", "python object"],
)
def test_a_file_that_is_no_config_is_told_in_one_line(problems, text, words):
    (line,) = problems(text)
    assert line.startswith(words)


def test_a_file_that_is_no_text_is_told_in_one_line(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "mine.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/mine.yaml: not YAML")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(InputError) as caught:
            load_config(path)
        assert str(caught.value).startswith(f"{path}: no such config file")


def test_the_environment_names_the_config(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "some/where.yaml")
    assert config_path() == Path("some/where.yaml")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "")
    assert config_path() == DEFAULT_CONFIG
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    assert config_path() == DEFAULT_CONFIG
