"""Data as people have them, through the whole pipeline: a table of pairs, spans, faults, crops."""

import csv
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import DONE

pytestmark = pytest.mark.slow
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


def write_delivery(made, number, *, gain=1.0):
    """A delivery: masks of 16-bit ids as TIFF, every second image a 12-bit TIFF, and a table."""
    folder = made.folder / f"delivery-{number}"
    folder.mkdir()
    with (folder / "pairs.csv").open("w") as file:
        table = csv.writer(file)
        table.writerow(["picture", "labels", "patient", "scanner"])
        for i in range(24):
            pixels = np.asarray(Image.open(made.folder / "data" / "images" / f"{i:02d}.png"))
            class_ids = np.asarray(Image.open(made.folder / "data" / "masks" / f"{i:02d}.png"))
            # Odd sizes, and another place in every delivery: no image comes twice.
            window = np.s_[number : 64 - i % 3, : 63 - number]
            grey = np.minimum(pixels[window].mean(-1) * 16 * gain, 4095).astype(np.uint16)
            Image.fromarray(grey).save(folder / f"{i}.{'tif' if i % 2 else 'png'}")
            Image.fromarray(class_ids[window].astype(np.uint16) * 1000).save(folder / f"{i}_m.tif")
            suffix = "tif" if i % 2 else "png"
            table.writerow([f"{i}.{suffix}", f"{i}_m.tif", f"p{i // 2}", "A"])


def test_deliveries_of_deep_images_and_a_bad_one(project, capfd):
    made = project(**CHANGES)
    config = yaml.safe_load(made.config.read_text())
    config["data"] |= {
        "source": {
            "kind": "manifest",
            "path": str(made.folder / "delivery-{SPAN}" / "pairs.csv"),
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
    made.config.write_text(yaml.safe_dump(config))
    write_delivery(made, 1)
    (made.folder / "delivery-1" / "0.png").write_bytes(b"")
    broken = made.folder / "delivery-1" / "7.tif"
    broken.write_bytes(broken.read_bytes()[:200])

    assert run_pipeline(made.config) == DONE
    output = capfd.readouterr().out
    assert "7.tif: cannot be read as an image" in output
    assert "predict" in output
    assert "delivery-1/0.png --out" not in output  # no advice to try a file that cannot be read
    (artifact,) = made.home.glob("artifacts/ExampleGen/examples/*")
    rows = [json.loads(line) for line in (artifact / "pairs.jsonl").read_text().splitlines()]
    assert len(rows) == 24
    assert [row["key"] for row in rows if "problem" in row] == ["span-1/0", "span-1/7"]
    splits = {}
    for row in rows:
        splits.setdefault(row["group"], set()).add(row["split"])
    assert all(len(names) == 1 for names in splits.values())
    assert len(made.versions()) == 1

    write_delivery(made, 2, gain=3)
    run_pipeline(made.config)
    output = capfd.readouterr().out
    assert "span 2: the brightness in red differs from the older spans" in output
    newest = max(made.home.glob("artifacts/ExampleGen/examples/*"), key=lambda path: int(path.name))
    again = [json.loads(line) for line in (newest / "pairs.jsonl").read_text().splitlines()]
    split_of = {row["key"]: row["split"] for row in again}
    assert len(again) == 48
    assert all(split_of[row["key"]] == row["split"] for row in rows)
