"""Realistic data through the whole pipeline: a table of pairs, spans, bad files and crops."""

import csv
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from data.errors import InputError
from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import DONE

pytestmark = pytest.mark.slow
HOSTILE = "\x1b]0;x\x07[/]<b>"  # in the names of groups and sources
CHANGES = {
    "gate": {"mean_iou": 0.3},
    "training": {
        "batch_size": 4,
        "epochs": 2,
        "learning_rate": 3e-3,
        "precision": "float32",
        "crops_per_image": 2,
        "class_aware_crops": 0.5,
        "augmentation": {"flip": "both", "rotation": 10, "brightness": 0.05},
    },
}


def write_span(project, number, *, gain=1.0):
    """Writes a span: 12-bit images, half of them TIFF, 16-bit TIFF masks, and a table of pairs."""
    folder = project.folder / f"span-{number}"
    folder.mkdir()
    with (folder / "pairs.csv").open("w") as file:
        table = csv.writer(file)
        table.writerow(["picture", "labels", "patient", "scanner"])
        for i in range(24):
            pixels = np.asarray(Image.open(project.folder / "data" / "images" / f"{i:02d}.png"))
            class_ids = np.asarray(Image.open(project.folder / "data" / "masks" / f"{i:02d}.png"))
            # Odd sizes, and another window in every span, so that no image occurs twice.
            window = np.s_[number : 64 - i % 3, : 63 - number]
            grey = np.minimum(pixels[window].mean(-1) * 16 * gain, 4095).astype(np.uint16)
            Image.fromarray(grey).save(folder / f"{i}.{'tif' if i % 2 else 'png'}")
            Image.fromarray(class_ids[window].astype(np.uint16) * 1000).save(folder / f"{i}_m.tif")
            suffix = "tif" if i % 2 else "png"
            table.writerow([f"{i}.{suffix}", f"{i}_m.tif", f"p{i // 2}{HOSTILE}", f"A{HOSTILE}"])


def test_spans_of_16_bit_images_with_bad_files(project, capfd):
    messy_project = project(**CHANGES)
    config = yaml.safe_load(messy_project.config.read_text())
    config["data"] |= {
        "source": {
            "kind": "manifest",
            "path": str(messy_project.folder / "span-{SPAN}" / "pairs.csv"),
            "image": "picture",
            "mask": "labels",
            "source": "scanner",
        },
        "mask_values": {0: "ground", 1000: "disc"},
        "intensity_range": [0, 4095],
        "group": "patient",
        "on_bad_pair": "skip",
        "max_bad_fraction": 0.1,
        "view": {"kind": "crop", "height": 32, "width": 32},
    }
    messy_project.config.write_text(yaml.safe_dump(config))
    write_span(messy_project, 1)
    (messy_project.folder / "span-1" / "0.png").write_bytes(b"")
    broken = messy_project.folder / "span-1" / "7.tif"
    broken.write_bytes(broken.read_bytes()[:200])

    assert run_pipeline(messy_project.config) == DONE
    output = capfd.readouterr().out
    assert "7.tif: cannot be read as an image" in output
    assert "predict" in output
    assert "\x1b" not in output
    assert "span-1/0.png --out" not in output  # the next command names a readable image
    (artifact,) = messy_project.home.glob("artifacts/ExampleGen/examples/*")
    rows = [json.loads(line) for line in (artifact / "pairs.jsonl").read_text().splitlines()]
    assert len(rows) == 24
    assert [row["key"] for row in rows if "problem" in row] == ["span-1/0", "span-1/7"]
    splits = {}
    for row in rows:
        splits.setdefault(row["group"], set()).add(row["split"])
    assert all(len(names) == 1 for names in splits.values())
    assert len(messy_project.versions()) == 1

    write_span(messy_project, 2, gain=3)
    config["data"]["on_anomaly"] = "fail"
    messy_project.config.write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match="span 2: the brightness in red differs from the older"):
        run_pipeline(messy_project.config)
    newest = max(
        messy_project.home.glob("artifacts/ExampleGen/examples/*"), key=lambda path: int(path.name)
    )
    newest_rows = [json.loads(line) for line in (newest / "pairs.jsonl").read_text().splitlines()]
    split_of = {row["key"]: row["split"] for row in newest_rows}
    assert len(newest_rows) == 48
    assert all(split_of[row["key"]] == row["split"] for row in rows)
