"""The whole pipeline, as a user runs it."""

import gzip
import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import pipeline
from data.errors import InputError
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import DONE, NOT_BLESSED
from pipeline.retraining.retrain import retrain
from serving.model.loading import ServedModel

pytestmark = pytest.mark.slow


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def with_changes(project, name, **changes):
    config = yaml.safe_load(project.config.read_text())
    for key, value in changes.items():
        config[key] = config[key] | value
    path = project.folder / name
    path.write_text(yaml.safe_dump(config))
    return path


def test_first_run_trains_blesses_and_pushes_a_model(trained):
    code, output = trained.first_run
    assert code == DONE, output
    assert len(trained.versions()) == 1
    report = json.loads(trained.reports()[0].read_text())
    assert report["blessed"]
    assert report["metrics"]["iou/disc"] >= 0.5
    assert f"{report['metrics']['iou/disc']:.3f}" in output
    assert "Blessed" in output
    assert trained.versions()[0] in output
    page = (trained.reports()[0].parent / "index.html").read_text()
    assert "Blessed: this model may be pushed." in page
    assert list(trained.home.glob("artifacts/Trainer/model_run/*/phase1/train/events*"))
    for component in ("StatisticsGen", "SchemaGen", "ExampleValidator"):
        assert any((trained.home / "artifacts" / component).iterdir())


def test_first_run_shows_progress_and_no_messages_of_libraries(trained):
    output = trained.first_run.output
    assert re.search(r"^ExampleGen .* s$", output, re.MULTILINE)
    assert re.search(r"epoch 1/3 .*val mean IoU \d\.\d+", output)
    assert not re.search(
        r"absl|WARNING|cuda|TensorFlow binary|Traceback|DeprecationWarning", output
    )


def test_second_run_on_unchanged_data_neither_trains_nor_pushes(trained, run_command):
    versions, reports = trained.versions(), trained.reports()
    pages = [(report.parent / "index.html").read_text() for report in reports]
    for file in (trained.folder / "data").rglob("*.png"):
        file.touch()  # as in a fresh copy of the same files
    code, output = run_command("unetfx", "run", "--config", trained.config)
    assert code == DONE, output
    assert "Nothing new" in output
    assert "epoch" not in output
    assert trained.versions() == versions
    assert trained.reports() == reports
    assert [(report.parent / "index.html").read_text() for report in reports] == pages


def test_tfx_commands_run_the_pipeline(trained, run_command, tmp_path):
    runner = Path(pipeline.__file__).with_name("local_runner.py")
    environment = {"HOME": str(tmp_path), "UNETFX_CONFIG": str(trained.config)}
    versions = trained.versions()
    created = run_command(
        "tfx", "pipeline", "create", "--engine", "local", "--pipeline_path", runner, **environment
    )
    assert created.code == 0, created.output
    assert '"discs" created' in created.output
    run = run_command(
        "tfx", "run", "create", "--engine", "local", "--pipeline_name", "discs", **environment
    )
    assert run.code == 0, run.output
    assert "Nothing new" in run.output
    assert trained.versions() == versions


def test_a_model_below_a_floor_is_not_pushed_and_the_reason_is_shown(trained, capfd):
    versions = trained.versions()
    config = with_changes(trained, "impossible.yaml", gate={"class_iou": {"disc": 1.0}})
    assert run_pipeline(config) == NOT_BLESSED
    output = capfd.readouterr().out
    assert re.search(r"Not blessed: disc: IoU 0\.\d{3} is below its floor 1\.000", output)
    assert "Nothing was pushed" in output
    assert trained.versions() == versions


def test_a_model_worse_than_the_last_blessed_one_is_not_pushed(trained, capfd):
    versions = trained.versions()
    config = with_changes(
        trained,
        "worse.yaml",
        training={"epochs": 1, "learning_rate": 1e-9},
        gate={"mean_iou": 0.0, "class_iou": {}, "max_drop": 0.05},
    )
    assert run_pipeline(config) == NOT_BLESSED
    output = capfd.readouterr().out
    assert re.search(r"mean IoU 0\.\d+ falls by more than 0\.050 from the last blessed", output)
    assert trained.versions() == versions


def test_a_model_that_serves_too_slowly_is_not_pushed_and_a_notice_says_so(trained, capfd):
    versions = trained.versions()
    notice_file = trained.folder / "notice.json"
    config = yaml.safe_load(trained.config.read_text())
    config["serving"] = {"check": {"p95_ms": 0.001}}
    config["retrain"] = {"notify": {"command": ["sh", "-c", f"cat > {notice_file}"]}}
    path = trained.folder / "slow.yaml"
    path.write_text(yaml.safe_dump(config))
    assert retrain(path) == NOT_BLESSED
    output = capfd.readouterr().out
    assert "Blessed: every floor is reached" in output
    assert re.search(
        r"Cannot be served: serving\.check\.p95_ms: \d+ ms for one image, more than 0\.001", output
    )
    assert "Nothing was pushed" in output
    assert trained.versions() == versions
    pages = [(report.parent / "index.html").read_text() for report in trained.reports()]
    assert any("but it failed ServingCheck" in page for page in pages)
    notice = json.loads(notice_file.read_text())
    assert (notice["outcome"], notice["version"]) == ("does_not_serve", None)
    assert "serving.check.p95_ms" in notice["text"]


def test_same_seed_and_data_give_the_same_examples_and_metrics(trained, tmp_path):
    shutil.copytree(trained.folder / "data", tmp_path / "data")
    config = with_changes(trained, "again.yaml", data={})
    settings = yaml.safe_load(config.read_text())
    settings["workspace"] = str(tmp_path / "runs")
    settings["data"]["source"]["path"] = str(tmp_path / "data")
    config.write_text(yaml.safe_dump(settings))
    assert run_pipeline(config) == DONE

    def examples(home):
        folder = home / "artifacts" / "ExampleGen" / "examples"
        files = sorted(folder.glob("*/Split-*/*.gz"))
        return {file.parent.name + file.name: gzip.decompress(file.read_bytes()) for file in files}

    second_home = tmp_path / "runs" / "discs"
    assert examples(second_home) == examples(trained.home)
    (report,) = second_home.glob("reports/*/metrics.json")
    first = json.loads(trained.reports()[0].read_text())["metrics"]
    assert json.loads(report.read_text())["metrics"] == pytest.approx(first, abs=1e-3)


def test_pushed_model_needs_neither_keras_nor_unetfx(trained):
    version = trained.home / "serving" / "discs" / trained.versions()[0]
    image = trained.folder / "data" / "images" / "00.png"
    script = f"""
        import sys, io
        import tensorflow as tf
        blocked = ("keras", "data", "serving", "components", "pipeline")
        for name in [name for name in sys.modules if name.split(".")[0] in blocked]:
            del sys.modules[name]
        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in blocked:
                    raise ImportError(name + " is blocked")
        sys.meta_path.insert(0, Block())
        png = open({str(image)!r}, "rb").read()
        odd = tf.io.encode_jpeg(tf.zeros([33, 47, 3], tf.uint8)).numpy()
        model = tf.saved_model.load({str(version)!r})
        outputs = model.signatures["serving_default"](image_bytes=tf.constant([png, odd]))
        print([tf.io.decode_png(mask).shape.as_list() for mask in outputs["mask_png_bytes"]])
    """
    process = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout.strip() == "[[64, 64, 1], [33, 47, 1]]", process.stderr[-2000:]


def test_tensorflow_s_loader_answers_without_python_as_python_does(trained, saved_model_loader):
    version = trained.home / "serving" / "discs" / trained.versions()[0]
    images = [(trained.folder / f"data/images/{i:02d}.png").read_bytes() for i in range(3)]
    model = ServedModel(str(version))
    expected = [model.predict([image])[0].mask_png for image in images]
    loaded = saved_model_loader.run(version, images)
    assert loaded.problem is None
    assert loaded.masks == expected
    assert loaded.warm_ups == ["serving_default", "probabilities"]


def test_predict_writes_masks_that_match_the_truth(trained, run_command, tmp_path):
    image = trained.folder / "data" / "images" / "03.png"
    code, output = run_command(
        "unetfx", "predict", image, "--out", tmp_path, "--config", trained.config
    )
    assert code == 0, output
    predicted, truth = read(tmp_path / "03_mask.png"), read(trained.folder / "data/masks/03.png")
    assert (predicted & truth).sum() / (predicted | truth).sum() > 0.8
    assert read(tmp_path / "03_overlay.png").shape == (64, 64, 3)


def test_a_bad_pair_stops_the_ingestion_and_no_examples_remain(project):
    bad_project = project()
    (bad_project.folder / "data" / "images" / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"05\.png: cannot be read"):
        run_pipeline(bad_project.config)
    assert not list(bad_project.home.glob("artifacts/ExampleGen/examples/*"))
    assert not (bad_project.home / "serving").exists()
