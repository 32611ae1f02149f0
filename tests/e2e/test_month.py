"""A month of `unetfx retrain`, once a day, with new data and failures."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from ml_metadata.proto import metadata_store_pb2
from PIL import Image, ImageDraw

from data.errors import InputError
from pipeline.commands.cli import commands
from pipeline.config.loading import load_config
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import BAD_INPUT, DONE, NOT_BLESSED
from pipeline.history.runs import all_runs
from pipeline.history.store import open_store
from pipeline.retraining.retrain import retrain
from serving.model.loading import ServedModel
from tests import warm_process
from tests.warm_process import UNETFX, Finished

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
SIZE, PAIRS, DAYS = 32, 20, 30


class Month(NamedTuple):
    """The results of a month.

    Attributes:
      folder: Folder with the spans, the config and the outputs of the runs.
      retrainings: Day, from 1, to the exit code and output of its retraining.
      notices: Notices that the webhook received, in order.
      concurrent: Exit codes and outputs of `retrain` and `run`, started during a retraining.
    """

    folder: Path
    retrainings: dict[int, Finished]
    notices: list[Any]
    concurrent: list[Finished]

    @property
    def config(self):
        return load_config(self.config_file)

    @property
    def config_file(self):
        return self.folder / "config.yaml"

    def versions(self):
        return sorted(
            path.parent for path in self.folder.glob("runs/discs/serving/discs/*/saved_model.pb")
        )


def deliver(folder: Path, span: int, *, dark: bool = False) -> Path:
    """Writes a span: images of a bright disc, and masks. It appears only when it is complete."""
    random = np.random.default_rng(span)
    unfinished = folder / f"deliveries/.span-{span}"
    for name in ("images", "masks"):
        (unfinished / name).mkdir(parents=True)
    for number in range(PAIRS):
        radius = int(random.integers(6, 11))
        x, y = random.integers(radius, SIZE - radius, 2).tolist()
        mask = Image.new("L", (SIZE, SIZE))
        ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
        pixels = np.where(np.asarray(mask)[..., None] == 1, [180, 120, 60], [60, 90, 110])
        pixels = pixels + random.normal(0, 12, (SIZE, SIZE, 3))
        pixels = (pixels * (0.1 if dark else 1)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(unfinished / f"images/{number:02d}.png")
        mask.save(unfinished / f"masks/{number:02d}.png")
    return unfinished.rename(folder / f"deliveries/span-{span}")


def shift_masks(span: Path, columns: int) -> None:
    for path in (span / "masks").iterdir():
        with Image.open(path) as mask:
            shifted = np.roll(np.asarray(mask), columns, axis=1)
        Image.fromarray(shifted).save(path)


def write_config(folder: Path) -> Path:
    notices = folder / "notices.jsonl"
    config = {
        "name": "discs",
        "workspace": str(folder / "runs"),
        "data": {
            "source": {
                "kind": "folder",
                "path": str(folder / "deliveries/span-{SPAN}"),
                "newest_spans": 2,
            },
            "classes": ["ground", "disc"],
            "splits": {"train": 2, "val": 1, "test": 1},
            "view": {"kind": "resize", "height": SIZE, "width": SIZE},
            "on_anomaly": "fail",
        },
        "model": {"width": 0.1, "weights": "hed-bsds500"},
        "training": {
            "batch_size": 4,
            "epochs": 2,
            "learning_rate": 3e-3,
            "precision": "float32",
            "warm_start": True,
        },
        "gate": {"class_iou": {"disc": 0.6}, "max_drop": 0.3},
        "retrain": {
            "keep_runs": 2,
            "notify": {
                "webhook": "${MONTH_WEBHOOK}/hook",
                "command": ["sh", "-c", f"cat >> {notices}; echo >> {notices}"],
            },
        },
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def retrain_here(config: Path) -> Finished:
    """Runs `retrain` in this process, which has loaded TensorFlow already."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            code = retrain(config)
        except InputError as error:
            return Finished(BAD_INPUT, f"{output.getvalue()}unetfx: {error}")
    return Finished(code, output.getvalue())


def kill_retraining(config: Path) -> tuple[Finished, list[Finished]]:
    """Kills `retrain` after an epoch; also returns the results of commands started meanwhile."""
    output = config.with_name("killed_retraining.txt")
    process = warm_process.start(UNETFX, ["unetfx", "retrain", "--config", config], output)
    while not (output.exists() and "epoch 1/" in output.read_text()):
        assert process.is_alive(), output.read_text()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGSTOP)  # else it could end before the other commands start
    concurrent = [
        warm_process.run(UNETFX, ["unetfx", name, "--config", config])
        for name in ("retrain", "run")
    ]
    process.kill()
    process.join()
    return Finished(process.exitcode, output.read_text()), concurrent


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.received.append(
            json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        )
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    folder = tmp_path_factory.mktemp("month")
    config = write_config(folder)
    month = Month(folder, {}, [], [])
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), _Receiver) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        server.received = month.notices
        patch.setenv("MONTH_WEBHOOK", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for day in range(1, DAYS + 1):
            if change_data := DATA_CHANGES.get(day):
                change_data(folder)
            if day == 10:
                month.retrainings[day], concurrent = kill_retraining(config)
                month.concurrent.extend(concurrent)
            else:
                month.retrainings[day] = retrain_here(config)
        server.shutdown()
        thread.join()
    return month


def _write_broken_span(folder):
    image = deliver(folder, 3) / "images/07.png"
    image.with_suffix(".good").write_bytes(image.read_bytes())
    shutil.move(image.with_suffix(".good"), folder / "07.png")
    image.write_bytes(image.read_bytes()[:200])


DATA_CHANGES = {
    1: lambda folder: [deliver(folder, span) for span in (1, 2)],
    8: _write_broken_span,
    10: lambda folder: shutil.move(folder / "07.png", folder / "deliveries/span-3/images/07.png"),
    16: lambda folder: shift_masks(deliver(folder, 4), SIZE // 2),
    20: lambda folder: shift_masks(folder / "deliveries/span-4", SIZE // 2),
    23: lambda folder: deliver(folder, 5, dark=True),
    24: lambda folder: shutil.rmtree(folder / "deliveries/span-5"),
    26: lambda folder: (folder / "deliveries/span-4").rename(folder / "deliveries/.span-4"),
}
BUSY = {
    1: ("pushed", DONE),
    8: ("bad_input", BAD_INPUT),
    9: ("bad_input", BAD_INPUT),
    11: ("pushed", DONE),
    16: ("not_blessed", NOT_BLESSED),
    20: ("pushed", DONE),
    23: ("bad_input", BAD_INPUT),
    26: ("pushed", DONE),
}
KILLED = 10


def test_only_days_with_changed_data_train(month):
    for day, finished in month.retrainings.items():
        code = BUSY[day][1] if day in BUSY else -signal.SIGKILL if day == KILLED else DONE
        assert finished.code == code, f"day {day}: {finished.output}"
        nothing_new = "nothing new" in finished.output
        assert nothing_new == (day not in {*BUSY, KILLED}), finished.output


def test_failures_have_a_readable_message(month):
    output = {day: finished.output for day, finished in month.retrainings.items()}
    for day in (8, 9):
        assert re.search(r"^unetfx: .*span-3/images/07\.png: cannot be read as", output[day], re.M)
    assert re.search(r"^Not blessed: disc: IoU 0\.\d+ is below its floor 0\.600", output[16], re.M)
    verdict = (
        r"^discs: nothing new since run \S+ \(not blessed: disc: IoU .*\)\. 40 pairs, .* is 4\.$"
    )
    assert re.search(verdict, output[17], re.M)
    assert re.search(r"^unetfx: .*the brightness in blue goes down to", output[23], re.M)
    assert re.search(r"^discs: nothing new .*\(pushed\)\. 40 pairs, .* is 4\.$", output[24], re.M)


def test_a_second_retraining_is_skipped_and_a_run_refused_while_one_runs(month):
    retraining, run = month.concurrent
    assert retraining.code == DONE
    assert re.fullmatch(
        r"discs: skipped\. \S+ is in use by unetfx retrain, process .*\n",
        retraining.output,
    )
    assert run.code == BAD_INPUT
    assert re.fullmatch(r"unetfx: \S+ is in use by unetfx retrain, process .*\n", run.output)


def test_the_next_retraining_resumes_a_killed_one(month):
    output = month.retrainings[KILLED + 1].output
    assert "died before it had finished: unetfx retrain, process" in output
    assert re.search("^ExampleGen .* unchanged$", output, re.M)
    assert "epoch 1/" not in output
    assert "epoch 2/" in output


def test_trainings_start_from_the_last_blessed_model(month):
    outputs = {day: finished.output for day, finished in month.retrainings.items()}
    warm = {day for day, output in outputs.items() if "Starts with the weights" in output}
    assert warm == {KILLED, KILLED + 1, 16, 20, 26}


def test_a_webhook_and_a_command_get_a_notice_for_each_busy_day(month):
    assert [notice["outcome"] for notice in month.notices] == [
        outcome for outcome, _ in BUSY.values()
    ]
    lines = (month.folder / "notices.jsonl").read_text().splitlines()
    assert list(map(json.loads, lines)) == month.notices
    pushed = [notice for notice in month.notices if notice["outcome"] == "pushed"]
    assert [Path(notice["version"]) for notice in pushed] == month.versions()
    assert all(notice["metrics"]["iou/disc"] >= 0.6 for notice in pushed)
    assert all(Path(notice["report"]).exists() for notice in pushed)
    [refused] = [notice for notice in month.notices if notice["outcome"] == "not_blessed"]
    assert refused["reasons"][0].startswith("disc: IoU 0.")
    assert refused["version"] is None


def test_earlier_data_whose_artifacts_were_removed_are_ingested_and_trained_on_again(month):
    by_id = {run.id: run for run in all_runs(month.config)}
    before, after = (by_id[month.notices[number]["run"]] for number in (3, -1))
    first, second = (run.artifacts["Examples"] for run in (before, after))
    fingerprints = {
        run.artifacts["Examples"].custom_properties["input_fingerprint"].string_value
        for run in (before, after)
    }
    assert len(fingerprints) == 1
    assert first.state == metadata_store_pb2.Artifact.DELETED
    assert second.state == metadata_store_pb2.Artifact.LIVE
    assert {"ExampleGen", "Trainer", "Pusher"} <= after.fresh


def test_metadata_agree_with_the_files(month):
    store = open_store(month.config)
    states = metadata_store_pb2.Artifact
    artifacts = store.get_artifacts()
    assert {artifact.state for artifact in artifacts} == {states.LIVE, states.DELETED}
    for artifact in artifacts:
        assert Path(artifact.uri).exists() == (artifact.state == states.LIVE), artifact.uri
    known = {artifact.uri for artifact in artifacts}
    folders = {str(path) for path in Path(month.config.artifacts_folder).glob("[!.]*/[!.]*/[!.]*")}
    assert folders <= known
    running = metadata_store_pb2.Execution.RUNNING
    assert all(execution.last_known_state != running for execution in store.get_executions())


def test_no_unfinished_files_remain(month):
    files = [path.name for path in month.config.home.rglob("*") if path.is_file()]
    assert not [name for name in files if ".unfinished" in name or name.startswith(".")]
    assert not list(Path(month.config.artifacts_folder).glob("*/*/.unfinished/*"))
    assert (month.config.home / "lock").read_text() == ""


def test_the_newest_runs_and_the_baseline_are_complete(month):
    runs = [run for run in all_runs(month.config) if "Report" in run.fresh]
    assert [run.blessed for run in runs] == [True, True, False, True, True]
    for run in runs[:2]:
        for artifact in run.artifacts.values():
            assert Path(artifact.uri).exists(), artifact.uri
    assert not Path(runs[2].artifacts["Examples"].uri).exists()
    assert all(run.mean_iou is not None for run in runs)  # reports stay


def test_every_pushed_version_predicts_well_and_the_newest_is_that_of_the_newest_run(month):
    image = month.folder / "deliveries/span-3/images/11.png"
    with Image.open(str(image).replace("images", "masks")) as mask:
        truth = np.asarray(mask)
    for version in month.versions():
        [predicted] = ServedModel(str(version)).predict([image.read_bytes()])
        intersection = (predicted.class_ids & truth).sum()
        assert intersection / (predicted.class_ids | truth).sum() > 0.6
    newest = all_runs(month.config)[0]
    assert newest.pushed_folder == str(month.versions()[-1])
    weights = "variables/variables.data-00000-of-00001"
    model = Path(newest.artifacts["Model"].uri) / "Format-Serving" / weights
    assert (month.versions()[-1] / weights).read_bytes() == model.read_bytes()


def test_a_manual_run_after_the_month_finds_nothing_new(month):
    versions = month.versions()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert run_pipeline(month.config_file) == DONE
    assert "Nothing new" in output.getvalue()
    assert "epoch" not in output.getvalue()
    assert month.versions() == versions


def test_the_first_model_can_still_be_reviewed_and_pushed(month, capsys):
    first, config = month.notices[0]["run"], ("--config", str(month.config_file))
    commands(["review", first, *config], standalone_mode=False)
    assert Path(capsys.readouterr().out.strip()).exists()
    with pytest.raises(InputError, match=r"\(retrain\.keep_runs\)"):
        commands(["review", "--compare", first, *config], standalone_mode=False)
    versions = month.versions()
    commands(["push", first, *config], standalone_mode=False)
    assert len(month.versions()) == len(versions) + 1
