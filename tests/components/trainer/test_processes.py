"""Killed trainings and trainings on several devices, each in its own process."""

import json
import signal
import socket

import numpy as np
import pytest

from tests import warm_process

pytestmark = pytest.mark.slow
PROCESS = "tests.components.trainer.training_process:main"
EPOCHS = 4


@pytest.fixture(scope="module")
def examples(tmp_path_factory, write_examples):
    folder = tmp_path_factory.mktemp("examples")
    # One file, so that two processes divide each batch, and not the files.
    for count, split in ((16, "train"), (8, "val")):
        write_examples(folder / f"{split}.gz", count, seed=count, classes=["dark", "bright"])
    return {split: [str(folder / f"{split}.gz")] for split in ("train", "val")}


@pytest.fixture(scope="module")
def start(examples):
    """Starts trainings, and kills those that still run after the tests."""
    started = []

    def start(out, *, cluster=None, training=None, **options):
        out.mkdir(exist_ok=True)
        options |= {"out": str(out), "training": {"epochs": EPOCHS} | (training or {}), **examples}
        environment = {"TF_CONFIG": json.dumps(cluster)} if cluster else {}
        arguments = ["training", json.dumps(options)]
        output = out / "output.txt"
        started.append(warm_process.start(PROCESS, arguments, output, environment=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.join()


@pytest.fixture(scope="module")
def unbroken(start, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken")
    finish(start(out), out)
    return out


def exit_code(process):
    process.join(300)
    return process.exitcode


def finish(process, out):
    assert exit_code(process) == 0, (out / "output.txt").read_text()[-3000:]


def weights(out):
    with np.load(out / "weights.npz") as file:
        return [file[name] for name in file.files]


def assert_same_weights(one, other, tolerance):
    for left, right in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


def history(out):
    return (out / "logs/1/phase1/history.csv").read_text().splitlines()


def test_a_killed_training_is_resumed_after_its_last_complete_epoch(start, unbroken, tmp_path):
    killed = start(tmp_path, kill_at=[2, 1])
    assert exit_code(killed) == -signal.SIGKILL
    assert not (tmp_path / "model").exists()
    assert len(history(tmp_path)) == 1 + 2
    finish(start(tmp_path), tmp_path)
    shown = (tmp_path / "output.txt").read_text()
    for epoch, times in ((1, 1), (2, 1), (3, 1), (4, 1)):
        assert shown.count(f"  epoch {epoch}/4   loss") == times
    assert_same_weights(tmp_path, unbroken, 1e-5)
    assert len(history(tmp_path)) == 1 + EPOCHS
    for left, right in zip(history(tmp_path)[1:], history(unbroken)[1:], strict=True):
        assert list(map(float, left.split(","))) == pytest.approx(
            list(map(float, right.split(","))), abs=1e-4
        )
    assert not list(tmp_path.rglob("*.weights.h5"))


def test_a_killed_training_with_dropout_is_resumed(start, tmp_path):
    dropping = {"dropout": 0.2}
    killed = start(tmp_path, kill_at=[2, 1], **dropping)
    assert exit_code(killed) == -signal.SIGKILL
    finish(start(tmp_path, **dropping), tmp_path)
    assert len(history(tmp_path)) == 1 + EPOCHS
    last = dict(zip(history(tmp_path)[0].split(","), history(tmp_path)[-1].split(","), strict=True))
    assert float(last["val_mean_iou"]) > 0.5


def test_a_training_with_other_settings_starts_anew(start, tmp_path):
    killed = start(tmp_path, kill_at=[1, 0])
    assert exit_code(killed) == -signal.SIGKILL
    finish(start(tmp_path, training={"seed": 2, "epochs": 2}), tmp_path)
    assert (tmp_path / "output.txt").read_text().count("  epoch 1/2   loss") == 1


def test_two_devices_learn_the_same_as_one(start, unbroken, tmp_path):
    finish(start(tmp_path, cpus=2, training={"strategy": "mirrored"}), tmp_path)
    assert_same_weights(tmp_path, unbroken, 1e-3)


def test_two_devices_learn_with_dropout(start, tmp_path):
    finish(start(tmp_path, cpus=2, dropout=0.5, training={"strategy": "mirrored"}), tmp_path)
    assert len(history(tmp_path)) == 1 + EPOCHS


@pytest.fixture
def in_two_processes(start, tmp_path):
    """Runs a training in two connected processes and returns the folder of each."""

    def in_two_processes(**options):
        hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
        processes = []
        for index in range(2):
            cluster = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            out = tmp_path / str(index)
            processes.append((start(out, cluster=cluster, **options), out))
        for process, out in processes:
            finish(process, out)
        return [out for _, out in processes]

    return in_two_processes


def test_two_processes_learn_the_same_as_one_and_only_the_chief_writes(in_two_processes, unbroken):
    chief, other = in_two_processes()
    for out in (chief, other):
        assert_same_weights(out, unbroken, 1e-3)
    assert (chief / "model/saved_model.pb").is_file()
    assert not (other / "model").exists()
    assert not list((other / "logs").rglob("events.*"))


def test_two_processes_run_the_same_search_and_train_with_its_result(in_two_processes):
    tuner = {"trials": 2, "epochs": 1, "search": {"learning_rate": [1e-3, 3e-2]}}
    outs = in_two_processes(tuner=tuner, training={"epochs": 1})
    chief, other = (json.loads((out / "trials.json").read_text()) for out in outs)
    assert chief == other
    assert {values["learning_rate"] for values, _ in chief} == {1e-3, 3e-2}
    best, _ = max(chief, key=lambda trial: trial[1])
    for out in outs:
        (row,) = history(out)[1:]
        scores = dict(zip(history(out)[0].split(","), map(float, row.split(",")), strict=True))
        assert scores["learning_rate"] == pytest.approx(best["learning_rate"])
    shown = [(out / "output.txt").read_text().count("  trial ") for out in outs]
    assert shown == [2, 0]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
