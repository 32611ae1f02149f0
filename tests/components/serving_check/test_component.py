"""Runs ServingCheck as the pipeline does, with real models in processes of their own."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.example_gen.artifact import read_records
from components.serving_check.component import ServingCheck, choose_keys, run_probe
from components.serving_check.verdict import read_verdict
from serving.config import CheckConfig
from serving.model.probe import EXAMPLES
from tests import warm_probe, warm_process

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluation(copy_model, evaluate_in, tmp_path_factory):
    """The evaluation of the good model."""
    folder = tmp_path_factory.mktemp("evaluation")
    return evaluate_in(folder, copy_model(folder, 1)).outputs["evaluation"]


@pytest.fixture
def check(examples, evaluation, tmp_path):
    """Checks a model with the evaluation of the good model."""

    def check(model, *, infra_blessing=None, **limits):
        blessing = standard_artifacts.InfraBlessing()
        blessing.uri = str(tmp_path / "blessing")
        Path(blessing.uri).mkdir()
        ServingCheck.EXECUTOR_SPEC.executor_class._FUNCTION(
            examples=examples,
            model=model,
            evaluation=evaluation,
            blessing=blessing,
            check=CheckConfig(**limits).model_dump_json(),
            code="",
            infra_blessing=infra_blessing,
        )
        return blessing, read_verdict(blessing.uri)

    return check


@pytest.fixture
def quick_probe(probe_server, monkeypatch):
    """Starts the process with TensorFlow already imported."""
    monkeypatch.setenv(warm_probe.SOCKET, str(probe_server))


def test_a_good_model_is_blessed_as_infra_validator_does(check, model):
    as_after_training = bytearray(3 << 30)
    blessing, verdict = check(model(1))
    assert (verdict.blessed, verdict.reasons) == (True, [])
    assert blessing.get_int_custom_property("blessed") == 1
    assert Path(blessing.uri, "INFRA_BLESSED").exists()
    assert verdict.images == 4
    assert 0 < verdict.p50_ms <= verdict.p95_ms
    assert verdict.load_seconds > 0
    # TensorFlow alone takes more than 100 MiB; the memory of this process is not counted.
    assert 100 < verdict.peak_mib < len(as_after_training) >> 20


def test_a_model_that_serves_other_masks_than_the_evaluated_is_not_blessed(check, model):
    blessing, verdict = check(model(2, "bad"))
    assert not verdict.blessed
    assert blessing.get_int_custom_property("blessed") == 0
    assert Path(blessing.uri, "INFRA_NOT_BLESSED").exists()
    assert any("pixels have a different class in serving" in reason for reason in verdict.reasons)


def test_exceeded_limits_are_reported_with_figures(check, model):
    _, verdict = check(model(1), p50_ms=0.001, p95_ms=1e9, memory_mib=1.0, images=1)
    assert verdict.images == 1
    latency, memory = verdict.reasons
    assert latency.startswith("serving.check.p50_ms: ")
    assert latency.endswith(" ms for one image, more than 0.001")
    assert memory.startswith("serving.check.memory_mib: ")


@pytest.mark.usefixtures("quick_probe")
@pytest.mark.parametrize("damage", ["gone", "cut off", "no SavedModel"])
def test_a_model_that_does_not_load_is_a_reason_and_no_stack_trace(check, model, damage):
    served = model(1)
    folder = Path(served.uri, "Format-Serving")
    if damage == "gone":
        shutil.rmtree(folder)
    elif damage == "cut off":
        (folder / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes()[:1000])
    else:
        (folder / "saved_model.pb").write_text("no")
    _, verdict = check(served)
    (reason,) = verdict.reasons
    assert reason.startswith("the model does not load, or fails: ")
    assert "\n" not in reason


@pytest.mark.usefixtures("quick_probe")
def test_the_verdict_of_infra_validator_counts(check, model):
    refused = standard_artifacts.InfraBlessing()
    refused.set_int_custom_property("blessed", 0)
    _, verdict = check(model(1), infra_blessing=refused)
    assert not verdict.blessed
    assert verdict.reasons == [
        "InfraValidator: TF Serving did not load the model or did not answer"
    ]


def test_the_smallest_and_the_largest_image_are_sent(examples):
    records = list(read_records(examples, "test"))
    assert choose_keys(records, 1) == ["2"]
    for number in (2, 3, 4, 9):
        keys = choose_keys(records, number)
        assert len(keys) == len(set(keys)) == min(number, 4)
        assert keys[0] in ("0", "3")
        assert keys[-1] == "2"


@pytest.mark.usefixtures("quick_probe")
def test_check_json_can_be_read_by_programs(check, model):
    blessing, verdict = check(model(1), images=1)
    written = json.loads(tf.io.gfile.GFile(f"{blessing.uri}/check.json").read())
    assert written["p50_ms"] == verdict.p50_ms


def probe():
    run_probe(*sys.argv[1:])


def test_the_process_ends_when_the_main_process_is_killed(tmp_path):
    os.mkfifo(tmp_path / EXAMPLES)  # the process waits for images
    main = warm_process.start(f"{__name__}:probe", ["x", tmp_path, tmp_path], tmp_path / "out.txt")
    children = Path(f"/proc/{main.pid}/task/{main.pid}/children")
    while not (ids := children.read_text().split()):
        time.sleep(0.05)
    main.kill()
    main.join()
    command = Path(f"/proc/{ids[0]}/cmdline")
    deadline = time.monotonic() + 60
    while command.exists() and command.read_bytes():  # a zombie has no command
        if time.monotonic() > deadline:
            os.kill(int(ids[0]), signal.SIGKILL)
            pytest.fail("the process outlives its parent")
        time.sleep(0.05)
