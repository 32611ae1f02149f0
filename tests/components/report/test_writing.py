"""The data of a report, made from the outputs of real components."""

import json
import math
from pathlib import Path

import pytest
from PIL import Image
from tfx.types import standard_artifacts

from components.labels.pictures import CAPTIONS
from components.labels.verdicts import record_verdicts
from components.report.contents import CONTENTS_FILE, Contents, WrongMasks
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.writing import Inputs, write_report
from serving.card.config import CardConfig
from serving.card.files import read_card

pytestmark = pytest.mark.slow


@pytest.fixture
def model_run(tmp_path):
    artifact = standard_artifacts.ModelRun()
    artifact.uri = str(tmp_path / "run")
    for phase, loss in ((1, "0.5"), (2, "nan")):
        history = Path(artifact.uri, f"phase{phase}/history.csv")
        history.parent.mkdir(parents=True)
        history.write_text(f"epoch,loss\n1,{loss}\n")
    return artifact


def test_a_report_has_the_metrics_the_histories_and_the_pictures(
    examples, model, model_run, evaluated, serving_check, tmp_path
):
    inputs = Inputs(
        examples,
        model(2),
        model_run,
        evaluated["evaluation"],
        evaluated["blessing"],
        serving_check(blessed=False, reasons=["too slow"]),
    )
    folder = tmp_path / "report"
    texts = CardConfig(intended_use="colours")
    options = {"name": "colours", "config": "name: colours", "code": "0" * 40, "texts": texts}
    options["verdicts"] = str(tmp_path / "verdicts.json")
    write_report(inputs, str(folder), **options)
    metrics = RunMetrics.model_validate_json((folder / METRICS_FILE).read_text())
    assert math.isclose(metrics.metrics["mean_iou"], 1)
    assert metrics.serving.reasons == ["too slow"]
    text = (folder / CONTENTS_FILE).read_text()
    assert "NaN" not in text
    contents = Contents.model_validate(json.loads(text))
    assert [phase[0]["loss"] for phase in contents.histories] == [0.5, None]
    assert [split.name for split in contents.splits] == ["train", "val", "test"]
    cards = [card for group in contents.gallery for card in group.cards]
    assert sorted(card.key for card in cards) == ["0", "1", "2", "3"]
    assert all((folder / card.folder / "prediction.png").exists() for card in cards)
    wrong = contents.wrong_masks
    assert (wrong.contradicted, wrong.scored, wrong.judged) == (1, 5, 0)
    (mask,) = wrong.cards
    assert (mask.key, mask.split, mask.given, mask.probable, mask.pixels) == ("4", "val", 1, 0, 36)
    for name in CAPTIONS:
        with Image.open(folder / mask.folder / f"{name}.jpg") as drawn:
            assert drawn.size == (mask.width, mask.height)
    provenance = dict(contents.provenance)
    assert provenance["Data spans"] == "0, 1, 2, 3"
    assert provenance["Data fingerprint"] == "ab12"
    assert provenance["Code"].endswith(", 000000000000")
    assert read_card(str(folder)).texts == texts
    assert (folder / "model_card.md").read_text().startswith("# colours\n")

    # A person's verdict is by the content of image and mask.
    record_verdicts(options["verdicts"], {mask.content: "4"}, "ok", "ada")
    write_report(inputs, str(folder), **options)
    judged = Contents.model_validate_json((folder / CONTENTS_FILE).read_text()).wrong_masks
    assert judged == WrongMasks(contradicted=0, scored=4, judged=1, cards=[])
