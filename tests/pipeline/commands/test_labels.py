import csv
import io
import json
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

import tests.warm_process as warm
from tests.pages import DESKTOP, HOSTILE, PHONE, fits, serious_findings

CLASSES = ["red", "green", "blue"]
RED, GREEN, BLUE = np.eye(3, dtype=np.uint8) * 255


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A model that is sure that red, green and blue pixels have the classes of these names."""
    import keras

    from data.config import CropView
    from serving.model.export import export_saved_model

    images = keras.Input((None, None, 3))
    convolution = keras.layers.Conv2D(3, 1)
    network = keras.Model(images, convolution(images))
    convolution.set_weights([np.eye(3).reshape(1, 1, 3, 3) / 20, np.zeros(3)])
    path = tmp_path_factory.mktemp("model") / "1"
    view = CropView(kind="crop", height=32, width=32)
    export_saved_model(network, str(path), classes=CLASSES, view=view)
    return path


@pytest.fixture
def project(tmp_path, pushed):
    """Six pairs in val and test; the mask of `b` lacks a green square, and that of `e` is red."""
    folder = tmp_path / "data"
    for number, key in enumerate("abcdef"):
        truth = np.zeros((32, 40), np.uint8)
        truth[0, number] = 2  # no two pairs have the same content
        truth[8:20, 10:30] = 1
        drawn = truth.copy()
        if key == "b":
            drawn[8:20, 10:20] = 0
        if key == "e":
            drawn[8:20, 10:30] = 0
        write_pair(folder, key, truth, drawn)
    write_pair(folder, "train", truth, np.full_like(truth, 2))
    rows = [
        f"images/{key}.png,masks/{key}.png,{'val' if key < 'd' else 'test'}" for key in "abcdef"
    ]
    rows.append("images/train.png,masks/train.png,train")
    (folder / "pairs.csv").write_text("\n".join(["image,mask,split", *rows]))
    settings = {
        "name": "colours",
        "workspace": str(tmp_path / "runs"),
        "data": {
            "source": {"kind": "manifest", "path": str(folder / "pairs.csv")},
            "classes": CLASSES,
            "mask_values": {0: "red", 100: "green", 200: "blue"},
        },
        "gate": {"mean_iou": 0.5},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    target = tmp_path / "runs/colours/serving/colours"
    target.mkdir(parents=True)
    (target / "1").symlink_to(pushed)
    return tmp_path


def write_pair(folder, key, truth, drawn):
    for kind, pixels in (
        ("images", np.stack([RED, GREEN, BLUE])[truth]),
        ("masks", np.array([0, 100, 200], np.uint8)[drawn]),
    ):
        path = folder / kind / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def labels(project, *options):
    return warm.run(
        warm.UNETFX, ["unetfx", "labels", "--config", project / "config.yaml", *options]
    )


def table(project):
    text = (project / "runs/colours/labels/labels.csv").read_text()
    return list(csv.DictReader(io.StringIO(text)))


def test_wrong_masks_are_ranked_exported_judged_and_not_asked_again(project):
    code, output = labels(project, "--export", project / "out")
    assert code == 0, output
    assert "The model contradicts 2 of 6 masks in val and test." in output
    assert max(map(len, output.splitlines()[:4])) <= 80
    worst, second = table(project)
    assert [worst["pair"], second["pair"]] == ["images/e", "images/b"]
    assert (worst["drawn_as"], worst["probably"], worst["pixels"]) == ("red", "green", "240")
    place = [second[name] for name in ("left", "top", "width", "height", "pixels", "regions")]
    assert place == ["10", "8", "10", "12", "120", "1"]
    expected = (1 - float(worst["quality"]) + (240 / 1280) ** 0.5) / 2
    assert float(worst["suspicion"]) == pytest.approx(expected, rel=1e-3)
    page = (project / "runs/colours/labels/index.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 6

    mask, proposed = (
        np.asarray(Image.open(project / f"out/images/b_{name}.png"))
        for name in ("mask", "proposed")
    )
    assert mask[10, 15] == 0
    expected = np.zeros((32, 40), np.uint8)
    expected[8:20, 10:30], expected[0, 1] = 100, 200
    np.testing.assert_array_equal(proposed, expected)
    assert (project / "out/images/b_image.png").read_bytes() == (
        project / "data/images/b.png"
    ).read_bytes()
    assert sorted(path.name for path in (project / "out/images").iterdir()) == [
        *("b_image.png", "b_mask.png", "b_proposed.png"),
        *("e_image.png", "e_mask.png", "e_proposed.png"),
    ]

    # The proposed mask of `b` replaces its mask, and a person says that `e` is right.
    (project / "out/images/b_proposed.png").rename(project / "data/masks/b.png")
    code, output = labels(project, "--ok", "images/e", "--mended", "images/b")
    assert (code, output) == (
        0,
        "Recorded for 2 of the masks: not listed again until image or mask changes.\n",
    )
    verdicts = json.loads((project / "runs/colours/labels/verdicts.json").read_text())
    assert {v["key"]: v["verdict"] for v in verdicts.values()} == {
        "images/e": "ok",
        "images/b": "mended",
    }
    code, output = labels(project)
    assert "The model contradicts 0 of 4 masks in val and test. 2 judged before" in output
    assert table(project) == []

    # With another mask, `e` is asked again.
    truth = np.zeros((32, 40), np.uint8)
    truth[8:20, 10:30] = 1
    write_pair(project / "data", "e", truth, np.full_like(truth, 2))
    code, output = labels(project)
    assert "The model contradicts 1 of 5 masks" in output
    assert table(project)[0]["drawn_as"] == "blue"


def test_errors_are_one_line(project, pushed):
    (project / "out").mkdir()
    (project / "out/mine.txt").touch()
    code, output = labels(project, "--export", project / "out")
    assert (code, output.count("\n")) == (2, 1)
    assert "out: already exists and is not empty." in output
    code, output = labels(project, "--ok", "z\x1b")
    assert (code, output.count("\n")) == (2, 1)
    assert "--ok z\\x1b: no pair has this name. Copy the name from " in output
    code, output = labels(project, "--ok", "images/a", "--mended", "images/a")
    assert (code, output) == (
        2,
        "unetfx: --ok, --mended: a pair is named twice. Give each pair one verdict.\n",
    )
    (project / "runs/colours/serving/colours/1").unlink()
    import tensorflow as tf

    older = tf.Module()
    older.evaluate = tf.function(
        lambda examples: {"n": tf.size(examples)},
        input_signature=[tf.TensorSpec([None], tf.string, "examples")],
    )
    path = project / "runs/colours/serving/colours/2"
    tf.saved_model.save(older, str(path), signatures={"evaluation": older.evaluate})
    shutil.copytree(pushed / "assets.extra", path / "assets.extra")
    code, output = labels(project)
    assert (code, output.count("\n")) == (2, 1)
    assert "colours/2: the model is of an older version of unetfx" in output
    shutil.rmtree(path)
    code, output = labels(project)
    assert (code, output.count("\n")) == (2, 1)
    assert "no trained model there. Run the pipeline first: unetfx run" in output


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_the_page_is_accessible_and_hostile_names_are_text(tmp_path, opened, viewport, scheme):
    from components.labels.pairs import class_ids_of, score_pairs
    from components.labels.ranking import rank_masks
    from data.config import DataConfig
    from data.listing.pair import Pair
    from pipeline.commands.labels_page import write_page
    from pipeline.config.config import Config
    from serving.doubts import Doubts

    write_pair(tmp_path, "a", np.ones((32, 40), np.uint8), np.zeros((32, 40), np.uint8))
    data = DataConfig(
        source={"kind": "folder", "path": "x"},
        classes=CLASSES,
        mask_values={0: "red", 100: "green", 200: "blue"},
    )
    config = Config(name="colours", data=data, gate={"mean_iou": 0.5})
    pair = Pair(
        HOSTILE,
        *(str(tmp_path / f"{kind}/a.png") for kind in ("images", "masks")),
        "",
        "",
        0,
        "val",
    )

    def find_doubts(read):
        expected = np.where(class_ids_of(read.mask) == 1, 255, 1).astype(np.uint8)
        return Doubts(0.1, expected, np.full(expected.shape, 0.9, np.float32))

    ranking = rank_masks(score_pairs([pair], data, find_doubts), set(), 1)
    path = tmp_path / "index.html"
    write_page(path, config, ranking, {HOSTILE: pair}, find_doubts, "val and test")
    page = opened(path, viewport, color_scheme=scheme)
    assert page.locator("section img").count() == 3
    for place, name in enumerate(("red", "green")):
        page.locator("[data-ids]").nth(place).hover()
        assert page.locator(".name-tag").inner_text() == name
    assert fits(page)
    assert serious_findings(page) == []
