import base64
import concurrent.futures
import io
import multiprocessing
from pathlib import Path

import httpx
import numpy as np
import pytest

from data.errors import InputError
from data.examples.features import IMAGE_STATISTICS
from serving.request_log import Answer, RequestLog, answer, answers_of


def one(number=0, statistics=None):
    return answer(statistics or {"image/std": number}, {"red": 0.25, "blue": 0.75}, 0.5, 7)


def lines(folder):
    files = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return [line for path in files for line in path.read_text().splitlines()]


def test_an_answer_is_one_line_that_can_be_read_again(tmp_path):
    outputs = {
        "image_statistics": np.arange(18, dtype=np.float32).reshape(2, 9),
        "class_fraction": np.array([[0.5, 0.5], [0, 1]], np.float32),
        "confidence": np.array([0.9, np.nan], np.float32),
    }
    answers = answers_of(outputs, 3, ["red", "blue"])
    log = RequestLog(tmp_path / "new" / "folder")
    log.add(answers, [b""] * 2)
    log.close()
    found = [Answer.model_validate_json(line) for line in lines(tmp_path / "new" / "folder")]
    assert found == answers
    assert found[1].statistics == dict(zip(IMAGE_STATISTICS, range(9, 18), strict=True))
    assert found[1].classes == {"red": 0, "blue": 1}
    assert (found[0].confidence, found[1].confidence) == (0.9, None)
    assert found[0].version == 3


def test_files_rotate_and_the_oldest_are_removed(tmp_path):
    log = RequestLog(tmp_path, file_size=1000, folder_size=5000)
    for number in range(200):
        log.add([one(number)], [b""])
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert 3 <= len(sizes) <= 5
    assert max(sizes) <= 1000
    kept = [
        int(Answer.model_validate_json(line).statistics["image/std"]) for line in lines(tmp_path)
    ]
    assert sorted(kept) == list(range(200 - len(kept), 200))


def _write_many(folder):
    log = RequestLog(folder)
    for number in range(500):
        log.add([one(number)], [b""])
    log.close()


def test_several_processes_may_write_to_the_same_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        list(pool.map(_write_many, [tmp_path] * 2))
    found = [Answer.model_validate_json(line) for line in lines(tmp_path)]
    assert len(found) == 1000


def test_a_full_disk_is_told_once_and_stops_nothing(tmp_path, caplog, monkeypatch):
    # Linux has a device that is always full.
    monkeypatch.setattr(Path, "open", lambda path, mode: io.FileIO("/dev/full", "w"))
    log = RequestLog(tmp_path)
    log.add([one(1)], [b""])
    log.add([one(2)], [b""])
    log.close()
    (record,) = caplog.records
    assert "No space left on device" in record.message


def test_a_model_without_statistics_is_told_once(tmp_path, caplog):
    outputs = {"class_fraction": np.ones((1, 1)), "confidence": np.ones(1)}
    log = RequestLog(tmp_path)
    log.add(answers_of(outputs, 3, ["all"]), [b""])
    log.add(answers_of(outputs, 3, ["all"]), [b""])
    log.close()
    (record,) = caplog.records
    assert record.message.startswith("version 3 returns no image_statistics")
    assert len(lines(tmp_path)) == 2


def test_images_are_kept_only_if_asked_for_and_named_in_their_lines(tmp_path):
    images = [b"\x89PNG\r\n\x1a\n" + bytes([number]) for number in range(3)]
    for share in (None, 1.0):
        log = RequestLog(tmp_path / str(share), share)
        log.add([one(number) for number in range(3)], images)
        log.close()
    assert not (tmp_path / "None/images").exists()
    without, kept = (
        [Answer.model_validate_json(line).kept for line in lines(tmp_path / name)]
        for name in ("None", "1.0")
    )
    assert without == [None] * 3
    assert len(set(kept)) == 3
    for path, image in zip(kept, images, strict=True):
        assert (tmp_path / "1.0" / path).read_bytes() == image


def test_an_image_that_cannot_be_written_does_not_cost_the_line(tmp_path, caplog):
    log = RequestLog(tmp_path, 1.0)
    (tmp_path / "images").rmdir()
    (tmp_path / "images").write_text("in the way")
    for number in range(2):
        log.add([one(number)], [b"image"])
    log.close()
    assert len(lines(tmp_path)) == 2
    (record,) = caplog.records
    assert "an image cannot be written (Not a directory)" in record.message


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        RequestLog(tmp_path / "file" / "log")


@pytest.mark.parametrize("signature", ["serving_default", "probabilities"])
def test_the_server_logs_images_that_it_segments(
    signature, start, push, saved_model, picture, tmp_path
):
    push(saved_model, tmp_path / "models", 4)
    server = start(tmp_path / "models", log=tmp_path / "log", log_images=1.0)
    server.wait(4)
    content = picture(8, 12, (255, 0, 0), (0, 255, 0))
    image = {"b64": base64.b64encode(content).decode()}
    inputs = [image] if signature == "serving_default" else [[[[255, 0, 0]]]]
    body = {"signature_name": signature, "instances": inputs}
    address = f"{server.rest}/v1/models/discs:predict"
    assert httpx.post(address, json=body, timeout=60).status_code == 200
    assert httpx.post(address, json={"instances": [{"b64": "AAAA"}]}, timeout=60).status_code == 400
    server.stop()
    found = [Answer.model_validate_json(line) for line in lines(tmp_path / "log")]
    if signature == "probabilities":
        assert not found
        assert not list((tmp_path / "log/images").iterdir())
        return
    (one,) = found
    assert (tmp_path / "log" / one.kept).read_bytes() == content
    assert (one.version, one.image) == (4, None)
    assert one.classes == {"red": 0.5, "green": 0.5, "blue": 0}
    assert {name: one.statistics[f"image/{name}"] for name in ("height", "width", "mean_red")} == {
        "height": 8,
        "width": 12,
        "mean_red": 127.5,
    }
