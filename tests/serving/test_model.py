import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data.config import DataConfig
from data.errors import InputError
from serving.model import ServedModel, model_weights, newest_version
from serving.predict import predict_files

RED, GREEN = (255, 0, 0), (0, 255, 0)
DATA = DataConfig.model_validate(
    {"source": {"kind": "folder", "path": "x"}, "classes": ["red", "green", "blue"]}
)


def picture(height, width, left=RED, right=RED):
    pixels = np.full((height, width, 3), left, np.uint8)
    pixels[:, width // 2 :] = right
    return Image.fromarray(pixels)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def served(saved_model):
    return ServedModel(str(saved_model))


def test_a_served_model_knows_its_classes(served):
    assert served.classes == ["red", "green", "blue"]


def test_predictions_of_images_of_two_sizes(served):
    images = [picture(16, 24, RED, GREEN), picture(7, 9)]
    half, whole = served.predict([encoded(image) for image in images])
    expected = np.zeros((16, 24))
    expected[:, 12:] = 1
    np.testing.assert_array_equal(half.class_ids, expected)
    np.testing.assert_allclose(half.class_fraction, [0.5, 0.5, 0])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(half.mask_png))), expected)
    np.testing.assert_array_equal(whole.class_ids, np.zeros((7, 9)))
    assert whole.confidence == pytest.approx(1, abs=1e-4)


def push(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "saved_model.pb").touch()


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1"], "1"),
        (["9", "10", "2"], "10"),
        (["0999", "1000"], "1000"),
        (["3", "4-unfinished", "copy", ".5"], "3"),
    ],
    ids=["one", "by number and not by name", "leading zero", "not a number"],
)
def test_the_newest_version_is_the_greatest_number(tmp_path, versions, newest):
    push(tmp_path, *versions)
    assert newest_version(str(tmp_path)) == str(tmp_path / newest)


def test_an_unfinished_version_does_not_count(tmp_path):
    push(tmp_path, "3")
    (tmp_path / "4/variables").mkdir(parents=True)
    assert newest_version(str(tmp_path)) == str(tmp_path / "3")


@pytest.mark.parametrize("exists", [True, False], ids=["empty folder", "no folder"])
def test_without_a_model_the_next_command_is_told(tmp_path, exists):
    folder = tmp_path / "serving"
    if exists:
        folder.mkdir()
    with pytest.raises(InputError) as caught:
        newest_version(str(folder))
    assert str(caught.value).startswith(f"{folder}: ")
    assert "unetfx run" in str(caught.value)


class TestPredictFiles:
    def test_a_mask_an_overlay_and_a_line_for_each_image(self, saved_model, tmp_path):
        picture(16, 24, RED, GREEN).save(tmp_path / "half.png")
        picture(40, 30).save(tmp_path / "whole.tif")
        files = [tmp_path / "half.png", tmp_path / "whole.tif"]
        lines = list(predict_files(files, str(saved_model.parent), tmp_path / "new/out", DATA))
        assert lines == [
            f"{files[0]}: red 50.0%, green 50.0%, blue 0.0%",
            f"{files[1]}: red 100.0%, green 0.0%, blue 0.0%",
        ]
        out = tmp_path / "new/out"
        assert {path.name: read(path).shape for path in out.iterdir()} == {
            "half_mask.png": (16, 24),
            "half_overlay.png": (16, 24, 3),
            "whole_mask.png": (40, 30),
            "whole_overlay.png": (40, 30, 3),
        }
        ids = read(out / "half_mask.png")
        assert (ids[:, :12] == 0).all()
        assert (ids[:, 12:] == 1).all()

    def test_an_image_is_predicted_upright(self, saved_model, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        picture(16, 24, RED, GREEN).save(tmp_path / "turned.png", exif=exif)
        list(
            predict_files(
                [tmp_path / "turned.png"], str(saved_model.parent), tmp_path / "out", DATA
            )
        )
        ids = read(tmp_path / "out/turned_mask.png")
        assert ids.shape == (24, 16)
        assert (ids[:10] == 0).all()
        assert (ids[14:] == 1).all()

    @pytest.mark.parametrize("broken", ["missing", "text", "a folder"])
    def test_one_bad_image_is_named_before_anything_is_written(self, saved_model, tmp_path, broken):
        picture(16, 24).save(tmp_path / "good.png")
        bad = tmp_path / "bad.png"
        if broken == "text":
            bad.write_text("no image")
        elif broken == "a folder":
            bad.mkdir()
        with pytest.raises(InputError) as caught:
            list(
                predict_files(
                    [tmp_path / "good.png", bad], str(saved_model.parent), tmp_path / "out", DATA
                )
            )
        assert str(caught.value).startswith(f"{bad}: cannot be read")
        assert not (tmp_path / "out").exists()

    def test_two_images_that_would_write_one_file_are_refused(self, saved_model, tmp_path):
        for name in ("1.png", "1.bmp"):
            picture(16, 24).save(tmp_path / name)
        files = [tmp_path / "1.png", tmp_path / "1.bmp"]
        with pytest.raises(InputError, match="Two of the images"):
            list(predict_files(files, str(saved_model.parent), tmp_path / "out", DATA))
        assert not (tmp_path / "out").exists()

    def test_without_a_model_nothing_is_written(self, tmp_path):
        picture(16, 24).save(tmp_path / "1.png")
        with pytest.raises(InputError, match="no pushed model"):
            list(
                predict_files(
                    [tmp_path / "1.png"], str(tmp_path / "serving"), tmp_path / "out", DATA
                )
            )
        assert not (tmp_path / "out").exists()


def test_the_weights_can_be_read_by_name(network, saved_model):
    found = model_weights(str(saved_model))
    assert list(found) == [weight.path for weight in network.weights]
    for value, expected in zip(found.values(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)
    with pytest.raises(tf.errors.NotFoundError):
        model_weights(str(saved_model / "nowhere"))
