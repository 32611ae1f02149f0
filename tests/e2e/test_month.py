"""A month of `unetfx retrain`, a turn a day: what arrives, what goes wrong, and what is left."""

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
    """What is left after a month.

    Attributes:
      folder: Of the deliveries, the config, and what runs made.
      turns: Day, from 1, to its turn.
      notices: What a webhook and a command were told, in order.
      others: What two more commands said while a turn was under way.
    """

    folder: Path
    turns: dict[int, Finished]
    notices: list[Any]
    others: list[Finished]

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
    """Writes a span: images of a bright disc, and masks."""
    random = np.random.default_rng(span)
    arriving = folder / f"deliveries/.span-{span}"
    for name in ("images", "masks"):
        (arriving / name).mkdir(parents=True)
    for number in range(PAIRS):
        radius = int(random.integers(6, 11))
        x, y = random.integers(radius, SIZE - radius, 2).tolist()
        mask = Image.new("L", (SIZE, SIZE))
        ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
        pixels = np.where(np.asarray(mask)[..., None] == 1, [180, 120, 60], [60, 90, 110])
        pixels = pixels + random.normal(0, 12, (SIZE, SIZE, 3))
        pixels = (pixels * (0.1 if dark else 1)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(arriving / f"images/{number:02d}.png")
        mask.save(arriving / f"masks/{number:02d}.png")
    return arriving.rename(folder / f"deliveries/span-{span}")


def shift_masks(span: Path, columns: int) -> None:
    for path in (span / "masks").iterdir():
        with Image.open(path) as mask:
            shifted = np.roll(np.asarray(mask), columns, axis=1)
        Image.fromarray(shifted).save(path)


def write_config(folder: Path) -> Path:
    told = folder / "told.jsonl"
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
                "command": ["sh", "-c", f"cat >> {told}; echo >> {told}"],
            },
        },
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def turn(config: Path) -> Finished:
    """A turn in this process, which has loaded TensorFlow already."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = retrain(config)
        except InputError as error:
            return Finished(BAD_INPUT, f"{said.getvalue()}unetfx: {error}")
    return Finished(code, said.getvalue())


def killed_turn(config: Path) -> tuple[Finished, list[Finished]]:
    """A turn that is killed after an epoch, and the output of commands that run meanwhile."""
    output = config.with_name("killed_turn.txt")
    process = warm_process.start(UNETFX, ["unetfx", "retrain", "--config", config], output)
    while not (output.exists() and "epoch 1/" in output.read_text()):
        assert process.is_alive(), output.read_text()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGSTOP)  # or it could end before the others have started
    others = [
        warm_process.run(UNETFX, ["unetfx", name, "--config", config])
        for name in ("retrain", "run")
    ]
    process.kill()
    process.join()
    return Finished(process.exitcode, output.read_text()), others


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
            if arrives := ARRIVALS.get(day):
                arrives(folder)
            if day == 10:
                month.turns[day], others = killed_turn(config)
                month.others.extend(others)
            else:
                month.turns[day] = turn(config)
        server.shutdown()
        thread.join()
    return month


def _broken_span(folder):
    image = deliver(folder, 3) / "images/07.png"
    image.with_suffix(".good").write_bytes(image.read_bytes())
    shutil.move(image.with_suffix(".good"), folder / "07.png")
    image.write_bytes(image.read_bytes()[:200])


ARRIVALS = {
    1: lambda folder: [deliver(folder, span) for span in (1, 2)],
    8: _broken_span,
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


def test_only_the_days_that_bring_something_are_busy(month):
    for day, said in month.turns.items():
        code = BUSY[day][1] if day in BUSY else -signal.SIGKILL if day == KILLED else DONE
        assert said.code == code, f"day {day}: {said.output}"
        assert ("nothing new" in said.output) == (day not in {*BUSY, KILLED}), said.output


def test_what_goes_wrong_is_said_in_words(month):
    said = {day: turn.output for day, turn in month.turns.items()}
    for day in (8, 9):
        assert re.search(r"^unetfx: .*span-3/images/07\.png: cannot be read as", said[day], re.M)
    assert re.search(r"^Not blessed: disc: IoU 0\.\d+ is below its floor 0\.600", said[16], re.M)
    verdict = (
        r"^discs: nothing new since run \S+ \(not blessed: disc: IoU .*\)\. 40 pairs, .* is 4\.$"
    )
    assert re.search(verdict, said[17], re.M)
    assert re.search(r"^unetfx: .*the brightness in blue goes down to", said[23], re.M)
    assert re.search(r"^discs: nothing new .*\(pushed\)\. 40 pairs, .* is 4\.$", said[24], re.M)


def test_who_comes_in_mid_turn_gives_way(month):
    again, run = month.others
    assert again.code == DONE
    assert re.fullmatch(
        r"discs: skipped\. \S+ is in use by unetfx retrain, process .*\n",
        again.output,
    )
    assert run.code == BAD_INPUT
    assert re.fullmatch(r"unetfx: \S+ is in use by unetfx retrain, process .*\n", run.output)


def test_a_turn_that_was_killed_is_taken_over_where_it_was(month):
    said = month.turns[KILLED + 1].output
    assert "died before it had finished: unetfx retrain, process" in said
    assert re.search("^ExampleGen .* unchanged$", said, re.M)
    assert "epoch 1/" not in said
    assert "epoch 2/" in said


def test_trainings_begin_with_the_last_blessed_model(month):
    begun = {day for day, said in month.turns.items() if "Starts with the weights" in said.output}
    assert begun == {KILLED, KILLED + 1, 16, 20, 26}


def test_a_webhook_and_a_command_are_told_of_each_busy_day(month):
    assert [notice["outcome"] for notice in month.notices] == [what for what, _ in BUSY.values()]
    told = (month.folder / "told.jsonl").read_text().splitlines()
    assert list(map(json.loads, told)) == month.notices
    pushed = [notice for notice in month.notices if notice["outcome"] == "pushed"]
    assert [Path(notice["version"]) for notice in pushed] == month.versions()
    assert all(notice["metrics"]["iou/disc"] >= 0.6 for notice in pushed)
    assert all(Path(notice["report"]).exists() for notice in pushed)
    [refused] = [notice for notice in month.notices if notice["outcome"] == "not_blessed"]
    assert refused["reasons"][0].startswith("disc: IoU 0.")
    assert refused["version"] is None


def test_data_that_come_back_when_their_artifacts_are_gone_are_trained_on_anew(month):
    by_id = {run.id: run for run in all_runs(month.config)}
    before, after = (by_id[month.notices[number]["run"]] for number in (3, -1))
    first, again = (run.artifacts["Examples"] for run in (before, after))
    fingerprints = {
        run.artifacts["Examples"].custom_properties["input_fingerprint"].string_value
        for run in (before, after)
    }
    assert len(fingerprints) == 1
    assert first.state == metadata_store_pb2.Artifact.DELETED
    assert again.state == metadata_store_pb2.Artifact.LIVE
    assert {"ExampleGen", "Trainer", "Pusher"} <= after.fresh


def test_metadata_and_files_agree(month):
    store = open_store(month.config)
    states = metadata_store_pb2.Artifact
    found = store.get_artifacts()
    assert {artifact.state for artifact in found} == {states.LIVE, states.DELETED}
    for artifact in found:
        assert Path(artifact.uri).exists() == (artifact.state == states.LIVE), artifact.uri
    known = {artifact.uri for artifact in found}
    folders = {str(path) for path in month.config.artifacts_folder.glob("[!.]*/[!.]*/[!.]*")}
    assert folders <= known
    running = metadata_store_pb2.Execution.RUNNING
    assert all(execution.last_known_state != running for execution in store.get_executions())


def test_nothing_is_left_half_written(month):
    files = [path.name for path in month.config.home.rglob("*") if path.is_file()]
    assert not [name for name in files if ".unfinished" in name or name.startswith(".")]
    assert not list(month.config.artifacts_folder.glob("*/*/.unfinished/*"))
    assert (month.config.home / "lock").read_text() == ""


def test_the_newest_runs_and_the_baseline_are_complete(month):
    runs = [run for run in all_runs(month.config) if "Report" in run.fresh]
    assert [run.blessed for run in runs] == [True, True, False, True, True]
    for run in runs[:2]:
        for artifact in run.artifacts.values():
            assert Path(artifact.uri).exists(), artifact.uri
    assert not Path(runs[2].artifacts["Examples"].uri).exists()
    assert all(run.mean_iou is not None for run in runs)  # reports stay


def test_every_pushed_version_loads_and_the_newest_is_the_last_day_s(month):
    image = month.folder / "deliveries/span-3/images/11.png"
    with Image.open(str(image).replace("images", "masks")) as mask:
        truth = np.asarray(mask)
    for version in month.versions():
        [predicted] = ServedModel(str(version)).predict([image.read_bytes()])
        both, either = (predicted.class_ids & truth).sum(), (predicted.class_ids | truth).sum()
        assert both / either > 0.6
    newest = all_runs(month.config)[0]
    assert newest.pushed_folder == str(month.versions()[-1])
    weights = "variables/variables.data-00000-of-00001"
    model = Path(newest.artifacts["Model"].uri) / "Format-Serving" / weights
    assert (month.versions()[-1] / weights).read_bytes() == model.read_bytes()


def test_a_run_by_hand_after_it_all_changes_nothing(month):
    versions = month.versions()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert run_pipeline(month.config_file) == DONE
    assert "Nothing new" in said.getvalue()
    assert "epoch" not in said.getvalue()
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
