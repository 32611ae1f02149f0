import base64
import csv
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from data.config import DataConfig
from data.errors import InputError
from data.examples.features import IMAGE_STATISTICS
from serving.client.client import ServingClient
from serving.client.protocol import ServingError
from serving.files.image_files import ImageFile, find_images
from serving.files.predict import predict_files
from serving.model.loading import ServedModel
from serving.overlay import overlay
from serving.palette import colour
from serving.prediction import predictions_of
from serving.request_log import Answer, RequestLog

RED, GREEN = (255, 0, 0), (0, 255, 0)
CLASSES = ["red", "green", "blue"]
DATA = DataConfig.model_validate({"source": {"kind": "folder", "path": "x"}, "classes": CLASSES})


def picture(height, width, left=RED, right=RED):
    pixels = np.full((height, width, 3), left, np.uint8)
    pixels[:, width // 2 :] = right
    return Image.fromarray(pixels)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def table(out):
    with (out / "classes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def served(saved_model):
    return ServedModel(str(saved_model))


@pytest.fixture
def predict(served, tmp_path):
    """Predicts files in the folder of the test, by default with the small model."""

    def predict(*names, model=served, data=DATA, **options):
        out = tmp_path / "out"
        images = find_images([str(tmp_path / name) for name in names], out)
        return list(predict_files(images, model, out, data, **options))

    return predict


class Doubting:
    """The small model, which fails for the images that the test names."""

    classes = CLASSES

    def __init__(self, served, refuses):
        self._served, self._refuses = served, refuses
        self.batches = []

    def predict(self, images):
        self.batches.append(len(images))
        error = self._refuses(images)
        if error:
            raise error
        return self._served.predict(images)


def test_a_mask_an_overlay_and_a_row_for_each_image(predict, tmp_path):
    picture(16, 24, RED, GREEN).save(tmp_path / "half.png")
    picture(40, 30).save(tmp_path / "whole.tif")
    half, whole = predict("half.png", "whole.tif")
    assert (half.class_fraction, whole.class_fraction) == ((0.5, 0.5, 0), (1, 0, 0))
    out = tmp_path / "out"
    assert {path.name: read(path).shape for path in out.glob("*.png")} == {
        "half_mask.png": (16, 24),
        "half_overlay.png": (16, 24, 3),
        "whole_mask.png": (40, 30),
        "whole_overlay.png": (40, 30, 3),
    }
    expected = np.zeros((16, 24), np.uint8)
    expected[:, 12:] = 1
    pixels = np.asarray(picture(16, 24, RED, GREEN))
    np.testing.assert_array_equal(read(out / "half_mask.png"), expected)
    np.testing.assert_array_equal(
        read(out / "half_overlay.png"), np.asarray(overlay(pixels, expected))
    )
    rows = table(out)
    confidences = [float(row.pop("confidence")) for row in rows]
    assert confidences == pytest.approx([1, 1], abs=1e-4)
    shares = {"share_red": "1.000000", "share_green": "0.000000", "share_blue": "0.000000"}
    halves = shares | {"share_red": "0.500000", "share_green": "0.500000"}
    size = {"mask": "whole_mask.png", "height": "40", "width": "30"}
    smaller = {"mask": "half_mask.png", "height": "16", "width": "24"}
    assert rows == [
        {"image": str(tmp_path / "half.png"), **smaller, **halves, "error": ""},
        {"image": str(tmp_path / "whole.tif"), **size, **shares, "error": ""},
    ]


def test_a_mask_is_shown_in_the_colours_of_its_classes(predict, tmp_path):
    picture(16, 24, RED, GREEN).save(tmp_path / "half.png")
    predict("half.png")
    with Image.open(tmp_path / "out/half_mask.png") as mask:
        assert mask.mode == "P"
        shown = np.asarray(mask.convert("RGB"))
    assert (shown[:, :12] == colour(0)).all()
    assert (shown[:, 12:] == colour(1)).all()


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_an_image_is_predicted_upright(predict, tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(16, 32, RED, GREEN).save(tmp_path / f"turned.{suffix}", exif=exif)
    predict(f"turned.{suffix}")
    ids = read(tmp_path / "out/turned_mask.png")
    assert ids.shape == (32, 16)
    assert (ids[:12] == 0).all()
    assert (ids[20:] == 1).all()


def test_an_image_is_sent_upright_to_a_server(predict, rest_server, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(3, 2, RED, GREEN).save(tmp_path / "turned.png", exif=exif)
    with ServingClient(rest_server.url, "x", CLASSES) as client:
        (outcome,) = predict("turned.png", model=client)
    assert outcome.error == ""
    ((_, _, body),) = rest_server.requests
    sent = Image.open(io.BytesIO(base64.b64decode(body["instances"][0]["image_bytes"]["b64"])))
    assert sent.size == (3, 2)
    assert sent.getexif().get(0x0112, 1) == 1
    np.testing.assert_array_equal(np.asarray(sent), [[RED] * 3, [GREEN] * 3])


def test_folders_keep_their_paths(predict, tmp_path):
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / "new" / name).parent.mkdir(parents=True)
        picture(16, 24).save(tmp_path / "new" / name)
    predict("new")
    assert [row["mask"] for row in table(tmp_path / "out")] == ["a/1_mask.png", "b/1_mask.png"]
    assert read(tmp_path / "out/b/1_mask.png").shape == (16, 24)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("broken", ["text", "cut short", "too large"])
def test_a_bad_image_is_named_and_the_others_are_predicted(predict, tmp_path, broken, batch):
    for name in ("1.png", "2.png", "3.png"):
        picture(16, 24).save(tmp_path / name)
    bad = tmp_path / "2.png"
    if broken == "text":
        bad.write_text("no image")
    elif broken == "cut short":
        bad.write_bytes(bad.read_bytes()[:-20])
    else:
        picture(160, 24).save(bad)
    data = DATA.model_copy(update={"max_pixels": 16 * 24})
    outcomes = predict("1.png", "2.png", "3.png", data=data, batch=batch)
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, False]
    assert outcomes[1].error.startswith(f"{bad}: ")
    rows = table(tmp_path / "out")
    assert [row["error"] for row in rows] == ["", outcomes[1].error, ""]
    assert rows[1]["share_red"] == rows[1]["mask"] == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "1_mask.png",
        "1_overlay.png",
        "3_mask.png",
        "3_overlay.png",
        "classes.csv",
    }


def test_an_image_that_the_model_refuses_does_not_spoil_its_batch(predict, served, tmp_path):
    for number in range(5):
        picture(16, 24 + number).save(tmp_path / f"{number}.png")
    refused = (tmp_path / "3.png").read_bytes()
    model = Doubting(served, lambda images: InputError("no") if refused in images else None)
    outcomes = predict("*.png", model=model, batch=5)
    assert [outcome.error for outcome in outcomes] == [""] * 3 + [f"{tmp_path}/3.png: no"] + [""]
    assert model.batches == [5, 1, 1, 1, 1, 1]


def test_a_mask_of_another_size_is_not_written(predict, rest_server, tmp_path):
    picture(5, 4).save(tmp_path / "1.png")
    with ServingClient(rest_server.url, "x", CLASSES) as client:
        (outcome,) = predict("1.png", model=client)
    assert outcome.error == f"{tmp_path}/1.png: 4×5 pixels, but the model's mask has 3×2."
    assert not (tmp_path / "out/1_mask.png").exists()


def test_a_server_that_refuses_an_image(predict, rest_server, tmp_path):
    for name in ("1.png", "2.png"):
        picture(2, 3).save(tmp_path / name)
    rest_server.answers.insert(0, (400, json.dumps({"error": "image 0: too large"})))
    with ServingClient(rest_server.url, "x", CLASSES) as client:
        outcomes = predict("1.png", "2.png", model=client)
    assert outcomes[0].error.startswith(f"{tmp_path}/1.png: {rest_server.url}: HTTP 400 ")
    assert outcomes[1].error == ""


def test_a_server_that_is_gone_ends_it(predict, rest_server, tmp_path):
    for number in range(9):
        picture(2, 3).save(tmp_path / f"{number}.png")
    rest_server.answers = [*rest_server.answers, (503, "")]
    with (
        ServingClient(rest_server.url, "x", CLASSES, first_wait=0.001) as client,
        pytest.raises(ServingError, match="HTTP 503"),
    ):
        predict("*.png", model=client)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"0_mask.png", "0_overlay.png", "classes.csv"}
    assert [row["mask"] for row in table(tmp_path / "out")] == ["0_mask.png"]


def test_who_stops_listening_stops_the_work(served, tmp_path):
    for number in range(9):
        picture(16, 24).save(tmp_path / f"{number}.png")
    out = tmp_path / "out"
    model = Doubting(served, lambda images: None)
    outcomes = predict_files(find_images([str(tmp_path)], out), model, out, DATA)
    next(outcomes)
    outcomes.close()
    assert len(model.batches) < 9
    assert not [path for path in out.iterdir() if path.suffix != ".png"]


def test_no_more_images_are_in_memory_than_asked_for(tmp_path):
    count, batch, jobs = 12, 2, 3
    for number in range(count):
        picture(4, 4).save(tmp_path / f"{number:02}.png")

    class Meeting:
        """Waits until as many images as allowed are in memory, and records if there were more."""

        classes = CLASSES

        def __init__(self):
            self.barrier = threading.Barrier(jobs)
            self.inside = threading.Semaphore(jobs)
            self.crowded = False

        def predict(self, images):
            self.crowded |= len(images) > batch or not self.inside.acquire(blocking=False)
            self.barrier.wait(timeout=60)
            self.inside.release()
            mask = io.BytesIO()
            Image.new("L", (4, 4)).save(mask, "PNG")
            count = len(images)
            return predictions_of([mask.getvalue()] * count, [[1, 0, 0]] * count, [1] * count)

    model, out = Meeting(), tmp_path / "out"
    images = find_images([str(tmp_path)], out)
    outcomes = list(predict_files(images, model, out, DATA, batch=batch, jobs=jobs))
    assert [outcome.image for outcome in outcomes] == images
    assert not model.crowded


def test_a_folder_that_cannot_be_written_to(served, tmp_path):
    picture(16, 24).save(tmp_path / "1.png")
    (tmp_path / "out").touch()
    images = [ImageFile(str(tmp_path / "1.png"), "1")]
    with pytest.raises(InputError, match="cannot be written"):
        list(predict_files(images, served, tmp_path / "out", DATA))


def test_an_output_that_cannot_be_written_is_a_row_of_the_table(predict, tmp_path):
    long_name = f"{248 * 'a'}.png"  # with _mask.png, longer than a file name can be
    for name in (long_name, "b.png", "c.png"):
        picture(16, 24).save(tmp_path / name)
    (tmp_path / "out/b_overlay.png").mkdir(parents=True)
    outcomes = predict(long_name, "b.png", "c.png", batch=2)
    assert outcomes[0].error.endswith("_mask.png: cannot be written (File name too long).")
    assert outcomes[1].error.endswith("b_overlay.png: cannot be written (Is a directory).")
    assert outcomes[2].error == ""
    assert [row["error"] for row in table(tmp_path / "out")] == [each.error for each in outcomes]


def test_the_log_has_what_the_model_would_return(predict, tmp_path):
    picture(8, 12, RED, GREEN).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"damaged")
    log = RequestLog(tmp_path / "log", 1)
    predict("a.png", "b.png", log=log, version=3)
    log.close()
    (file,) = (tmp_path / "log").glob("*.jsonl")
    (line,) = file.read_text().splitlines()
    found = Answer.model_validate_json(line)
    assert (found.version, found.image) == (3, str(tmp_path / "a.png"))
    assert found.classes == {"red": 0.5, "green": 0.5, "blue": 0}
    assert tuple(found.statistics) == IMAGE_STATISTICS
    assert found.statistics["image/mean_green"] == 127.5
