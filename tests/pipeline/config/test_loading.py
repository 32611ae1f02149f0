import datetime
from pathlib import Path

import pytest

from data.errors import InputError
from pipeline.config.loading import DEFAULT_CONFIG, ENVIRONMENT_VARIABLE, config_path, load_config
from tests.pipeline.conftest import GOOD, changed


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.0e-4", "0.0001", "+1.e-4"])
def test_exponents_of_all_spellings_are_numbers(load, number):
    config = load(GOOD + f"training: {{learning_rate: {number}}}\n")
    assert config.training.learning_rate == pytest.approx(1e-4)


def test_text_that_resembles_a_number_stays_text(load):
    assert load(GOOD.replace("discs", "1e4x")).name == "1e4x"


def test_mask_values_have_whole_numbers_as_keys(load):
    config = load(changed(data__mask_values={0: "ground", 255: "disc"}))
    assert config.data.mask_values == {0: "ground", 255: "disc"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(model__encodr="vgg16"), ["model.encodr: unknown key", "did you mean 'encoder'?"]),
        (changed(trainng={}), ["trainng: unknown key", "did you mean 'training'?"]),
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
        (
            changed(training__epochs="four"),
            ["training.epochs: should be auto or a whole number", "'four'"],
        ),
        (
            changed(training__epochs=4.5),
            ["training.epochs: should be auto or a whole number", "4.5"],
        ),
        (changed(data__classes="ground"), ["data.classes: ", "list", "'ground'"]),
        (changed(model="vgg16"), ["model: ", "'vgg16'"]),
        (changed(name=7), ["name: ", "text", "7"]),
        (changed(name="my discs"), ["name: should have only the letters A to Z", "'my discs'"]),
        (changed(name="ümlaut"), ["name: should have only the letters A to Z", "'ümlaut'"]),
        (changed(workspace="~/runs"), ["workspace: Only a shell replaces ~", "'~/runs'"]),
        (changed(workspace="$HOME/x"), ["workspace: Only a shell replaces ~ and $HOME"]),
        (changed(workspace="file:///x"), ["workspace: the path has a scheme. Write it without"]),
        (changed(workspace="C:/runs"), ["workspace: The path has the letter of a drive."]),
        (changed(data=None), ["data: should be keys with values, found None"]),
        (changed(data__splits=[7, 1, 2]), ["data.splits: should be keys with values", "[7, 1, 2]"]),
        (changed(data__splits__val=0.1), ["data.splits.val: should be a whole number", "0.1"]),
        (changed(data__splits__val="10%"), ["data.splits.val: should be a whole number", "10%"]),
        (changed(data__max_bad_fraction="5%"), ["data.max_bad_fraction: should be a number", "5%"]),
        (
            changed(data__source__path=["a", "b"]),
            ["data.source.path: should be text", "['a', 'b']"],
        ),
        (
            changed(data__mask_values={"ground": 0, "disc": 1}),
            ["data.mask_values: should be the class of each value, as in {1: disc}"],
        ),
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
        (changed(training__warm_start="yes"), ["training.warm_start: ", "true or false", "'yes'"]),
        (changed(model__decoder="segnet"), ["model.decoder: ", "'unet'", "'segnet'"]),
        (changed(data__source__kind="ftp"), ["data.source", "'folder'", "ftp"]),
        (changed(data__group="("), ["data.group: not a regular expression"]),
        (changed(data__ignore_value=1), ["data", "ignore_value: 1 is the id of", "disc"]),
        (changed(data__mask_values={0: "disk"}), ["mask_values: disk is not among the classes"]),
        (changed(data__mask_values={"a": "disc"}), ["data.mask_values", "a number from 0", "'a'"]),
        (changed(data__mask_values={70000: "disc"}), ["data.mask_values", "65535", "70000"]),
        (changed(data__classes=["a", "a"]), ["classes: ", "twice"]),
        (
            changed(training__augmentation={"rotate": 5}),
            ["training.augmentation.rotate", "rotation"],
        ),
        (
            changed(training__augmentation={"hue": 0.7}),
            ["training.augmentation.hue: ", "0.5", "0.7"],
        ),
        (changed(gate={}), ["gate: ", "no floor"]),
        (GOOD.replace("gate: {mean_iou: 0.6}", ""), ["gate: missing"]),
        (GOOD.replace("name: discs", ""), ["name: missing"]),
        (GOOD.replace("path: some/where", ""), ["data.source.path: missing"]),
    ],
    ids=lambda value: value[0].split(":")[0] if isinstance(value, list) else "in",
)
def test_each_mistake_is_one_line(problems, text, words):
    (line,) = problems(text)
    places = [line.find(word) for word in words]
    assert -1 not in places, line
    assert line.startswith(words[0]) or line.startswith("data"), line
    assert ".folder." not in line
    assert "http" not in line


@pytest.mark.parametrize("done", ["read", "written"])
def test_paths_on_unknown_file_systems_name_the_key(problems, done):
    keys = {
        "read": [
            *("data__source__path", "data__source__split_lists__train", "model__weights"),
            "retrain__request_log",
        ],
        "written": ["workspace", "data__schema_file", "serving__push_to"],
    }
    remedy = {"read": "Copy the files to this machine", "written": "Name a folder on this machine"}
    for key in keys[done]:
        (line,) = problems(changed(**{key: "s3://b/x"}))
        assert line.startswith(f"{key.replace('__', '.')}: s3:// cannot be {done}. {remedy[done]}")
        assert line.endswith("found 's3://b/x'")


@pytest.mark.parametrize("key", ["workspace", "data__schema_file", "serving__push_to"])
def test_folders_to_write_are_not_named_as_in_a_shell_or_on_windows(problems, key):
    for path, words in {
        "~/x": "Only a shell replaces ~",
        "C:/x": "The path has the letter of a drive",
        r"\\server\x": "Write / instead of",
    }.items():
        (line,) = problems(changed(**{key: path}))
        assert line.startswith(f"{key.replace('__', '.')}: {words}")


@pytest.mark.parametrize(
    ("table", "words"),
    {
        "s3://b/labelmap.txt": "s3:// cannot be read. Copy the files to this machine",
        "~/labelmap.txt": "Only a shell replaces ~ and $HOME. Write the whole path.",
        "labelmap.txt": "no such file",
    }.items(),
)
def test_a_table_of_classes_that_is_not_there_says_what_to_write(problems, table, words):
    (line,) = problems(changed(data__mask_values=f"from {table}"))
    assert "mask_values: " in line
    assert words in line


@pytest.mark.parametrize(
    ("training", "key", "words"),
    [
        ({"loss": "jaccard"}, "training.loss", ("dice", "focal", "jaccard")),
        ({"loss": {"dice": 0}}, "training.loss.dice", ("greater than 0",)),
        ({"loss": {}}, "training.loss", ("at least 1",)),
        ({"class_weights": "equal"}, "training.class_weights", ("balanced", "equal")),
        ({"warmup_epochs": 9, "epochs": 2}, "training", ("warmup_epochs", "9", "epochs is only 2")),
        ({"schedule": "cosine"}, "training", ("cosine needs a number of epochs", "Set epochs")),
        (
            {"augmentation": "mild"},
            "training.augmentation",
            ("none, light, strong, or changes", "'mild'"),
        ),
        ({"crops_per_image": 0}, "training.crops_per_image", ("auto", "whole number", "0")),
        ({"ema_momentum": 1}, "training.ema_momentum", ("less than 1",)),
        (
            {"second_phase": {"unfreeze_from": "block5", "epochs": 1}},
            "training.second_phase.learning_rate",
            ("missing",),
        ),
        ({"strategy": "tpu"}, "training.strategy", ("mirrored", "tpu")),
    ],
)
def test_each_mistake_in_training_is_one_line(problems, training, key, words):
    (line,) = problems(changed(training=training))
    assert line.startswith(key)
    assert all(word in line for word in words), line


def test_an_unknown_encoder_is_refused_with_the_known_ones(problems):
    (line,) = problems(changed(model={"encoder": "vgg17"}))
    assert line.startswith("model.encoder: ")
    assert all(name in line for name in ("vgg16", "vgg19", "resnet50", "vgg17"))


@pytest.mark.parametrize(
    ("tuner", "key", "words"),
    [
        ({}, "tuner.search", ("missing",)),
        (
            {"search": {}},
            "tuner.search",
            ("the search space is empty", "learning_rate, loss, width"),
        ),
        ({"search": {"width": []}}, "tuner.search.width", ("at least 1",)),
        ({"search": {"loss": []}}, "tuner.search.loss", ("at least 1",)),
        ({"search": {"widht": [1]}}, "tuner.search.widht", ("unknown key", "'width'?")),
        ({"serach": {"width": [1]}, "search": {"width": [1]}}, "tuner.serach", ("'search'?",)),
        ({"search": {"width": 0.5}}, "tuner.search.width", ("list of values", "min", "0.5")),
        ({"search": {"width": [3]}}, "tuner.search.width.0", ("less than or equal to 2", "3")),
        ({"search": {"dropout": [0, 1]}}, "tuner.search.dropout.1", ("less than 1",)),
        ({"search": {"loss": ["jaccard"]}}, "tuner.search.loss.0", ("dice", "jaccard")),
        (
            {"search": {"learning_rate": {"min": 0, "max": 1}}},
            "tuner.search.learning_rate.min",
            ("greater than 0",),
        ),
        (
            {"search": {"learning_rate": {"min": 0.1}}},
            "tuner.search.learning_rate.max",
            ("missing",),
        ),
        (
            {"search": {"learning_rate": {"min": 0.1, "max": 0.01}}},
            "tuner.search.learning_rate",
            ("0.1 is not below max: 0.01",),
        ),
        (
            {"search": {"width": {"min": 0.1, "max": 1, "step": 0.1}}},
            "tuner.search.width.step",
            ("unknown key",),
        ),
        ({"search": {"width": [1]}, "trials": 0}, "tuner.trials", ("greater",)),
        ({"search": {"width": [1]}, "algorithm": "grid"}, "tuner.algorithm", ("random", "grid")),
    ],
)
def test_each_mistake_in_a_search_is_one_line(problems, tuner, key, words):
    (line,) = problems(changed(tuner=tuner))
    assert line.startswith(f"{key}: ")
    assert all(word in line for word in words), line


def test_every_missing_key_of_dataflow_has_its_line(problems):
    assert problems(changed(beam={"profile": "dataflow", "region": "r"})) == [
        "beam.project: missing",
        "beam.temp_location: missing",
        "beam.image: missing",
    ]


def test_every_problem_has_its_line(problems):
    text = changed(training__epochs=0, model__decodr="unet", gate__mean_iou=2.0)
    assert [line.split(":")[0] for line in problems(text)] == [
        "model.decodr",
        "training.epochs",
        "gate.mean_iou",
    ]


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["no", "on"], ["data.classes.0: should be text, found False. Put it in quotes, as"]),
        ("cell", ["data.classes: should be a list, found 'cell'. Write [cell]"]),
        ([1e3, None], ["data.classes.0: should be text, found 1000.0. Put it in quotes"]),
        ([None, "a"], ["data.classes.0: should be text, found None. Put it in quotes"]),
        ([1, 2], ["data.classes.0: should be text, found 1. Put it in quotes"]),
        ([datetime.date(2026, 1, 2), "c"], ["should be text, found 2026-01-02. Put it in quotes"]),
        (["a\tb", "c"], [r"data.classes.0: a name may have no control characters, found 'a\tb'"]),
        (["a b", "a_b"], ["'a b' and 'a_b' are both a_b in the names of features and metrics"]),
        (["mean", "c"], ["'mean' is the name of the mean over all classes"]),
        (["c"], ["at least two, found ['c']. List the background as a class, too"]),
    ],
)
def test_names_of_classes_that_do_not_work_say_what_to_write(problems, classes, words):
    text = changed(data__classes=classes).replace("'no'", "no").replace("'on'", "on")
    first, *_ = problems(text)
    assert all(word in first for word in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [discs\ndata:", "not YAML: line 2, column 5: expected ',' or ']'"),
        ("name: discs\n\tdata: 1", "not YAML: line 2, column 1: found character '\\t' that "),
        (
            'path: "C:\\data"',
            "not YAML: line 1, column 11: found unknown escape character 'd'. Put a text with \\",
        ),
        (
            "source: {path: data{SPAN}}",
            "not YAML: line 1, column 20: expected ',' or '}', but got '{'. Put texts with",
        ),
        ("x: {[255, 0, 0]: a}", "not YAML: line 1, column 5: found unhashable key. A list cannot"),
        ("a: 1\n  b: 2", "not YAML: line 2, column 4: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2", "not YAML: line 2, column 1: but found another document"),
        ("- a\n- b\n", "expected keys and values"),
        ("", "expected keys and values"),
        ("just words", "expected keys and values"),
        ("name: !!python/object/apply:os.getcwd []", "not YAML"),
        ("start_date: 2026-13-01", "not YAML: month must be in 1..12"),
        ("name: !!bool discs", "a value does not fit the tag before it"),
        ("name: !!int ''", "a value does not fit the tag before it"),
        ("name: !!timestamp discs", "a value does not fit the tag before it"),
    ],
    ids=[
        *(
            "open bracket",
            "tab",
            "a drive",
            "braces",
            "a list as key",
            "indentation",
            "two documents",
        ),
        *("a list", "empty", "text", "python object", "no such date"),
        *("no bool", "no number", "no time"),
    ],
)
def test_a_file_that_is_not_a_config_is_refused_in_one_line(problems, text, words):
    (line,) = problems(text)
    assert line.startswith(words)


def test_a_file_that_is_not_text_is_refused_in_one_line(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "mine.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/mine.yaml: not UTF-8 text")
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
