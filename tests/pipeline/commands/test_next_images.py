import csv
import io
import json

import numpy as np
import pytest
import yaml
from PIL import Image

import tests.warm_process as warm
from components.trainer.config import ModelConfig, TrainerSettings, TrainingConfig
from data.config import ResizeView
from data.errors import InputError
from pipeline.commands import next_images
from pipeline.commands.next_images import UncertainImages, rank_images
from pipeline.config.loading import load_config
from serving.files.image_files import ImageFile
from serving.files.predict import Outcome
from serving.model.description import DESCRIPTION

CLASSES = ["ground", "disc"]


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A model with random weights."""
    import keras

    from components.trainer.network.network import build_network
    from serving.model.export import export_saved_model

    settings = TrainerSettings(
        classes=CLASSES,
        view=ResizeView(kind="resize", height=32, width=32),
        model=ModelConfig(weights="none", width=0.02),
        training=TrainingConfig(),
        code="1",
    )
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "1"
    export_saved_model(
        build_network(settings.model, len(CLASSES)),
        str(path),
        classes=CLASSES,
        view=settings.view,
        config=settings.model_dump(mode="json"),
    )
    return path


@pytest.fixture
def project(tmp_path, pushed):
    """Three labelled pairs in `data`, five images without masks in `new`."""
    random = np.random.default_rng(0)
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 8:20] = 1
    for name in ("x", "y", "z"):
        write(tmp_path / f"data/images/{name}.png", random.integers(100, 150, (32, 32, 3)))
        write(tmp_path / f"data/masks/{name}.png", mask)
    write(tmp_path / "new/copy.png", read(tmp_path / "data/images/x.png"))
    striped = np.zeros((32, 32, 3))
    striped[::2] = 255
    write(tmp_path / "new/striped1.png", striped)
    striped[0, 0] = 9
    write(tmp_path / "new/striped2.png", striped)
    write(tmp_path / "new/white.png", np.full((40, 32, 3), 255))
    (tmp_path / "new/broken.png").write_bytes(b"no image")
    config = {
        "name": "discs",
        "workspace": str(tmp_path / "runs"),
        "data": {
            "source": {"kind": "folder", "path": str(tmp_path / "data")},
            "classes": CLASSES,
        },
        "gate": {"mean_iou": 0.5},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    folder = tmp_path / "runs/discs/serving/discs"
    folder.mkdir(parents=True)
    (folder / "1").symlink_to(pushed)
    return tmp_path


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def rank(project, *images):
    options = ("--rank", "--out", project / "out", "--config", project / "config.yaml")
    return warm.run(warm.UNETFX, ["unetfx", "predict", *images, *options])


def table(project):
    with (project / "out/ranking.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_images_are_ranked_by_uncertainty_and_distance(project):
    code, output = rank(project, project / "new", project / "data/images/y.png")
    assert code == 2
    assert "1 of 6 images failed" in output
    rows = table(project)
    names = [row["image"].rpartition("/")[2] for row in rows]
    # The labelled image y has no rank, nor has the broken one.
    assert sorted(names) == ["copy.png", "striped1.png", "striped2.png", "white.png"]
    assert set(names[-2:]) == {"copy.png", max(names[:3], key=names.index)}
    by_name = {name: float(row["distance"]) for name, row in zip(names, rows, strict=True)}
    assert by_name["copy.png"] < 0.1
    first, second = sorted(("striped1.png", "striped2.png"), key=names.index)
    assert by_name[first] > 1.5 > 0.5 > by_name[second]
    assert names.index("white.png") < names.index(second)
    with (project / "out/classes.csv").open(newline="") as file:
        confidence = {row["image"]: row["confidence"] for row in csv.DictReader(file)}
    for number, row in enumerate(rows, 1):
        assert row["rank"] == str(number)
        assert float(row["uncertainty"]) == pytest.approx(1 - float(confidence[row["image"]]))
        assert (project / "out" / row["mask"]).exists()
    assert "; much like another image (distance 0.0)" in output
    printed = output.partition("Label these images next:\n")[2].splitlines()
    assert printed[0] == f"  1  {rows[0]['image']}"
    share = f"{float(rows[0]['uncertainty']):.1%}"
    assert printed[1].startswith(f"     unsure of {share} of its pixels; unlike all labelled im")
    assert "alone" not in output


@pytest.fixture
def rank_again(project):
    """Ranks images without predicting them; the uncertainties are 0.1, 0.2 and so on."""

    def rank_again(*images, model):
        config = load_config(project / "config.yaml")
        uncertain = UncertainImages()
        outcomes = (
            Outcome(ImageFile(str(image), image.stem), 32, 32, (0.5, 0.5), 0.9 - 0.1 * number)
            for number, image in enumerate(images)
        )
        assert len([*uncertain.noted(outcomes)]) == len(images)
        out = project / "out"
        rank_images(uncertain, config, config.data, model, out, io.StringIO())

    return rank_again


def test_if_all_images_are_labelled_none_is_left(project, pushed, rank_again):
    images = [project / f"data/images/{name}.png" for name in "xyz"]
    with pytest.raises(InputError, match=r"^--rank: all images have a mask in the source, so none"):
        rank_again(*images, model=str(pushed))
    assert not (project / "out").exists()


@pytest.mark.parametrize("missing", ["model", "settings", "source", "labels"])
def test_without_features_the_uncertainty_decides_alone(
    project, pushed, rank_again, missing, capsys
):
    model = str(pushed)
    if missing == "model":
        model, reason = None, "a server does not return the features of images."
    elif missing == "settings":
        model = project / "2"
        (model / "assets.extra").mkdir(parents=True)
        (model / "variables").symlink_to(pushed / "variables")
        description = json.loads((pushed / DESCRIPTION).read_text())
        (model / DESCRIPTION).write_text(json.dumps(description | {"config": None}))
        reason = f"{model}: the model has no settings, from which to build its encoder."
    elif missing == "source":
        (project / "data").rename(project / "elsewhere")
        reason = f"{project}/data"
    else:
        for path in (project / "data/masks").iterdir():
            path.write_bytes(b"no mask")
        reason = "no labelled image can be used: see unetfx check."
    rank_again(project / "new/white.png", project / "new/striped1.png", model=model)
    output = capsys.readouterr().out
    assert output.count(f"Ranked by uncertainty alone, since {reason}") == 1
    rows = [[row["image"][-12:], row["uncertainty"], row["distance"]] for row in table(project)]
    assert rows == [["striped1.png", "0.200000", ""], ["ew/white.png", "0.100000", ""]]


def test_only_the_most_uncertain_images_are_kept(monkeypatch):
    monkeypatch.setattr(next_images, "_MOST_COMPARED", 2)
    uncertain = UncertainImages()
    confidences = [0.9, 0.5, 0.0, 0.7, 0.6]
    outcomes = (
        Outcome(ImageFile(f"{value}", ""), 1, 1, (), value, error="" if value else "failed")
        for value in confidences
    )
    assert [outcome.confidence for outcome in uncertain.noted(outcomes)] == confidences
    assert [entry.image.path for entry in uncertain.ranked()] == ["0.5", "0.6"]
