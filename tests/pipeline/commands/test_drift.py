"""`unetfx drift`, with real records in ML Metadata and real statistics of TFDV."""

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
import yaml
from google.protobuf import text_format

from components.validator.request_drift import Period, RequestDrift
from components.validator.schema import infer_schema
from data.examples.features import fraction
from data.examples.image_statistics import ImageStatistics
from data.files.writing import write_text
from pipeline.commands import drift as command
from pipeline.retraining.drift import Training
from serving.request_log import answer
from tests.pipeline.recorded_runs import Workspace


def requests(count, sharpness=1.3):
    random = np.random.default_rng(count)
    for _ in range(count):
        mean, red = random.normal(100, 15), random.uniform(0.2, 0.4)
        image = ImageStatistics(64, 48, (mean, mean, mean), 20.0, random.normal(sharpness, 0.05))
        yield image.features(), {"red": red, "green": 1 - red}


@pytest.fixture(scope="module")
def training():
    rows = [
        image | {fraction(name): share for name, share in shares.items()}
        for image, shares in requests(150)
    ]
    return tfdv.generate_statistics_from_dataframe(
        pd.DataFrame(rows).astype("float32").astype({"image/height": int, "image/width": int})
    )


@pytest.fixture
def workspace(tmp_path, training):
    workspace = Workspace(tmp_path, StatisticsGen="ExampleStatistics")
    run = workspace.record(0)
    version = Path(workspace.config.serving_folder) / "3"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"model")
    workspace.record_push(run, version)
    folder = Path(workspace.run(run).artifacts["ExampleStatistics"].uri) / "Split-train"
    folder.mkdir(parents=True)
    (folder / "FeatureStats.pb").write_bytes(training.SerializeToString())
    schema = text_format.MessageToString(infer_schema([training]))
    write_text(workspace.config.schema_file, schema)
    return workspace


@pytest.fixture
def drift(workspace, unetfx, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(json.loads(workspace.config.model_dump_json())))
    return lambda *logs: unetfx("drift", "--config", path, *logs)


def write_log(folder, answers):
    folder.mkdir()
    lines = [answer(image, shares, 0.9, 3).model_dump_json() + "\n" for image, shares in answers]
    (folder / "a.jsonl").write_text("".join(lines))
    return folder


def test_similar_requests_are_no_drift(drift, tmp_path):
    code, out, error = drift(write_log(tmp_path / "log", requests(200)))
    assert (code, error) == (0, "")
    assert "200 requests of" in out
    assert "with the training data of version 3" in out
    assert out.splitlines()[-1].startswith("No drift")


def test_drift_is_told_in_words_and_by_the_exit_code(drift, tmp_path):
    code, out, _ = drift(write_log(tmp_path / "log", requests(210, sharpness=0.9)))
    (line,) = (line for line in out.splitlines() if line.startswith("Drift"))
    assert code == 1
    assert "the sharpness differs from the training data: mean 0.8" in line
    assert "since the beginning of the log" in line


def test_the_images_that_the_log_kept_and_that_show_the_drift_most_are_named(drift, tmp_path):
    log = write_log(tmp_path / "log", requests(210, sharpness=0.9))
    lines = [json.loads(line) for line in (log / "a.jsonl").read_text().splitlines()]
    (log / "images").mkdir()
    for number, line in enumerate(lines[:8]):
        line["kept"] = f"images/{number}.png"
        (log / line["kept"]).touch()
    (log / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, out, _ = drift(log)
    lowest = sorted(range(8), key=lambda n: lines[n]["statistics"]["image/sharpness"])[:3]
    expected = [f"  image   {log}/images/{number}.png" for number in lowest]
    assert [line for line in out.splitlines() if line.startswith("  image")] == expected
    (log / f"images/{lowest[0]}.png").unlink()
    assert f"images/{lowest[0]}.png" not in drift(log)[1]


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("log", "contains no log"),
        ("serving", "no pushed model there"),
        ("artifacts/StatisticsGen", "statistics of its training data are no longer kept"),
        ("schema.pbtxt", "no schema there"),
    ],
)
def test_missing_files_are_bad_input_in_one_line(drift, workspace, tmp_path, remove, message):
    log = write_log(tmp_path / "log", requests(210))
    path = workspace.config.home / remove
    if remove == "log":
        (log / "a.jsonl").unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    code, out, error = drift(log)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert message in error


@pytest.mark.parametrize("content", [b"", b"\n\xff\x01damaged"], ids=["empty", "damaged"])
def test_statistics_that_cannot_be_read_are_bad_input_in_one_line(
    drift, workspace, tmp_path, content
):
    [file] = workspace.config.home.glob("artifacts/StatisticsGen/**/FeatureStats.pb")
    file.write_bytes(content)
    code, out, error = drift(write_log(tmp_path / "log", requests(210)))
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "FeatureStats.pb: not statistics of TFDV (" in error


def test_with_many_classes_the_first_numbers_are_printed(unetfx, workspace, tmp_path, monkeypatch):
    day = date(2026, 11, 20)
    sentences = [f"the share of class {number} differs" for number in range(150)]
    found = RequestDrift(400, 0, day, Period(day, day, 400, [], {}), sentences, [[]] * 150)
    monkeypatch.setattr(command, "find_drift", lambda *_: (Training(3, ""), found))
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(json.loads(workspace.config.model_dump_json())))
    code, out, _ = unetfx("drift", "--config", path, tmp_path)
    assert code == 1
    *lines, last = out.splitlines()
    assert len([line for line in lines if line.startswith("Drift ")]) == 20
    assert last.strip() == "and 130 more numbers"
