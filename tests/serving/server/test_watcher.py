"""The push folder: new versions, old versions, and folders that are not versions."""

import base64
import json
import logging
import shutil
import threading
from contextlib import ExitStack

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.client import ServingClient
from serving.model.push import push_model

RED, GREEN = (255, 0, 0), (0, 255, 0)
WEIGHTS = "variables/variables.data-00000-of-00001"


def test_a_version_that_is_pushed_is_served_and_the_old_one_is_unloaded(
    serve, push, folder, saved_model, other_model, caplog, class_of_red, states
):
    caplog.set_level(logging.INFO)
    running = serve()
    while "no version there yet" not in caplog.text:
        pass
    push(saved_model, folder, 9)
    running.wait(9)
    assert class_of_red(running) == 0
    push(other_model, folder, 10)
    running.wait(9, "END")
    assert class_of_red(running) == 1
    assert states(running) == {10: "AVAILABLE", 9: "END"}
    gone = httpx.post(f"{running.rest}/v1/models/discs/versions/9:predict", json={})
    assert gone.status_code == 404
    lines = [record.message for record in caplog.records if record.name.startswith("serving")]
    assert lines == [
        f"{folder}: no version there yet; waiting for a push (unetfx run)",
        f"serving version 9: {folder / '9'}",
        f"serving version 10: {folder / '10'}",
        "unloaded version 9",
    ]


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_a_client_waits_for_the_first_version(serve, push, folder, saved_model, protocol):
    running = serve()
    url = running.rest if protocol == "rest" else f"grpc://{running.grpc}"
    waits = []

    def push_when_the_client_waits():
        waits.append(True)
        push(saved_model, folder, 1)

    with ServingClient(url, "discs", ["red", "green", "blue"]) as client:
        client.check(push_when_the_client_waits)
    assert len(waits) == 1


def test_folders_beyond_64_bits_are_ignored_and_stop_no_newer_version(
    serve, push, folder, saved_model, other_model, states
):
    for name in (str(2**63), 40 * "9", 200 * "9"):
        push(saved_model, folder, name)
    push(saved_model, folder, 2)
    running = serve(2)
    push(other_model, folder, 3)
    running.wait(3)
    running.wait(2, "END")
    assert set(states(running)) == {2, 3}


def test_a_version_that_is_taken_away_is_followed_by_the_one_before(
    serve, push, folder, saved_model, other_model, class_of_red
):
    push(saved_model, folder, 1)
    push(other_model, folder, 2)
    running = serve(2)
    shutil.rmtree(folder / "2")
    running.wait(2, "END")
    assert class_of_red(running) == 0
    shutil.rmtree(folder)
    push(other_model, folder, 3)
    running.wait(1, "END")
    assert class_of_red(running) == 1


def test_versions_in_a_bucket_are_served(start, gs_folder, saved_model, other_model, class_of_red):
    running = start(gs_folder)
    older = push_model(str(saved_model), gs_folder).rpartition("/")[2]
    running.wait(older)
    assert class_of_red(running) == 0
    newer = push_model(str(other_model), gs_folder).rpartition("/")[2]
    running.wait(newer)
    assert class_of_red(running) == 1


def empty(folder):
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def without_variables(folder):
    shutil.rmtree(folder / "variables")


def without_graph(folder):
    (folder / "saved_model.pb").unlink()


def half_of(name):
    def cut(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return cut


def scrambled(name):
    def scramble(folder):
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2 :] = bytes(255 - byte for byte in content[len(content) // 2 :])
        (folder / name).write_bytes(content)

    return scramble


def text_for_graph(folder):
    (folder / "saved_model.pb").write_text("no model")


def bad_description(folder):
    (folder / "assets.extra/unetfx.json").write_text("{")


DAMAGES = {
    "empty": empty,
    "no graph": without_graph,
    "no variables": without_variables,
    "half a graph": half_of("saved_model.pb"),
    "half the weights": half_of(WEIGHTS),
    "half the index": half_of("variables/variables.index"),
    "other weights": scrambled(WEIGHTS),
    "text": text_for_graph,
    "bad description": bad_description,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_bad_folder_leaves_the_old_version_until_it_is_mended(
    serve, push, folder, saved_model, other_model, caplog, tmp_path, damage, class_of_red
):
    push(saved_model, folder, 3)
    running = serve(3)
    shutil.copytree(other_model, tmp_path / "bad")
    damage(tmp_path / "bad")
    push(tmp_path / "bad", folder, 4)
    running.wait(4, "END")
    assert class_of_red(running) == 0
    one = httpx.get(f"{running.rest}/v1/models/discs/versions/4").json()
    status = one["model_version_status"][0]["status"]
    assert status["error_code"] == "UNKNOWN"
    lines = [record.message for record in caplog.records if "cannot be loaded" in record.message]
    assert lines == [
        f"version 4 cannot be loaded, still serving version 3: {status['error_message']}"
    ]
    assert 0 < len(status["error_message"].splitlines()) == 1
    shutil.copytree(other_model, folder / "4", dirs_exist_ok=True)
    running.wait(4)
    assert class_of_red(running) == 1


def test_what_is_no_version_is_passed_by(serve, push, folder, saved_model, class_of_red, states):
    push(saved_model, folder, 3)
    for name in ("4-unfinished", "copy", ".tmp5"):
        shutil.copytree(saved_model, folder / name)
    (folder / "6").write_text("a file")
    running = serve(3)
    assert states(running) == {3: "AVAILABLE"}
    assert class_of_red(running) == 0


def test_a_request_that_runs_keeps_its_version(
    serve, push, folder, sliding_model, start_slow_request
):
    push(sliding_model, folder, 1)
    running = serve(1)
    answer = start_slow_request(running.rest, "/v1/models/discs/versions/1:predict")
    push(sliding_model, folder, 2)
    assert answer.result() == 200
    running.wait(1, "END")


@pytest.mark.slow
def test_no_request_fails_while_versions_are_switched(
    serve, push, folder, saved_model, other_model, picture
):
    models = (saved_model, other_model)
    push(models[1], folder, 1)
    running = serve(1)
    image = picture()
    body = json.dumps({"instances": [{"b64": base64.b64encode(image).decode()}]})
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "discs"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([image], tf.string))
    done = threading.Event()
    failures, seen = [], []

    def by_rest():
        with httpx.Client(base_url=running.rest, timeout=60) as client:
            while not done.is_set():
                answer = client.post("/v1/models/discs:predict", content=body)
                if answer.status_code == 200:
                    seen.append(np.argmax(answer.json()["predictions"][0]["class_fraction"]))
                else:
                    failures.append(answer.text)

    def by_grpc():
        with grpc.insecure_channel(running.grpc) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not done.is_set():
                try:
                    outputs = stub.Predict(request, 60).outputs
                    seen.append(np.argmax(tf.make_ndarray(outputs["class_fraction"])))
                except grpc.RpcError as error:
                    failures.append(str(error))

    with ExitStack() as stack:
        stack.callback(done.set)
        threads = [threading.Thread(target=ask) for ask in 3 * [by_rest, by_grpc]]
        for thread in threads:
            thread.start()
        for version in (2, 3, 4):
            push(models[version % 2], folder, version)
            running.wait(version - 1, "END")
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(seen) > 100
    assert set(seen) == {0, 1}
    assert seen[-1] == 0
