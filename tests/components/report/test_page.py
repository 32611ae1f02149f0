import numpy as np
import pytest
from PIL import Image

from components.evaluator.intervals import Intervals
from components.evaluator.metrics import metric_names
from components.evaluator.results import Scores
from components.evaluator.rule import Rule
from components.labels.pictures import CAPTIONS
from components.metric_names import IOU, of_class
from components.report.contents import (
    Card,
    CardGroup,
    Contents,
    ErrorArea,
    SplitContents,
    WrongMaskCard,
    WrongMasks,
)
from components.report.gallery import save_picture
from components.report.metrics import RunMetrics
from components.report.page import RunFacts, read_anomalies, write_page
from components.serving_check.verdict import ServingVerdict
from serving.data_url import class_ids_url
from tests.cards import make_card
from tests.pages import DESKTOP, HOSTILE, PHONE, fits, hidden_numbers, serious_findings

CLASSES = ["ground", "<disc>"]
EPOCH = {"epoch": 1.0, "loss": 2.0, "val_loss": None, "val_mean_iou": 0.5, "val_iou/ground": 0.5}
CARD = Card(
    key="a/b",
    folder="pictures/0",
    mean=0.5,
    before=0.25,
    ious=[0.5, None],
    present=[0],
    width=8,
    height=6,
)
MASK = WrongMaskCard(
    key="a/b",
    split="val",
    content="0f",
    folder="pictures/masks/0",
    width=8,
    height=6,
    given=0,
    probable=1,
    pixels=1234,
    confidence=0.912,
    regions=3,
    quality=0.25,
)
CONTENTS = Contents(
    name="discs",
    classes=CLASSES,
    histories=[[EPOCH | {"val_iou/disc": None}]],
    splits=[SplitContents(name="train", images=3, groups=2, shares=[0.75, 0.25])],
    gallery=[CardGroup(title="Worst", cards=[CARD])],
    provenance=[("Code", "unetfx 1.0")],
    config="name: discs",
)
METRICS = RunMetrics(
    blessed=False,
    reasons=["mean IoU 0.500 is below its floor 0.600"],
    remarks=[],
    metrics=dict.fromkeys(metric_names(CLASSES), 0.5),
    baseline={},
    baseline_model=None,
    rules=[Rule(metric="mean_iou", kind="floor", value=0.5, limit=0.6, passed=False)],
    images=1,
    confusion_matrix=[[30, 10], [0, 0]],
    calibration=[[40, 20.0, 30]],
    slices={},
    serving=ServingVerdict(blessed=True, reasons=[], images=1),
)


@pytest.fixture
def page(tmp_path):
    """Writes a page, and returns its HTML."""
    (tmp_path / "metrics.json").write_text(METRICS.model_dump_json())
    (tmp_path / "report.json").write_text(CONTENTS.model_dump_json())

    def page(facts, metrics=None, contents=None):
        if metrics:
            (tmp_path / "metrics.json").write_text(metrics.model_dump_json())
            (tmp_path / "report.json").write_text(contents.model_dump_json())
        write_page(str(tmp_path), facts)
        return (tmp_path / "index.html").read_text()

    return page


def test_the_page_shows_the_report(page):
    html = page(RunFacts("2026-01-01"))
    for text in (
        "Not blessed: this model is not pushed.",
        "<strong>Mean IoU 0.500 is below its floor 0.600.</strong>",
        "at least 0.600",
        '<img class="image" src="pictures/0/image.jpg"',
        "(last blessed 0.250)",
        "75.0%",
        "unetfx 1.0",
        "name: discs",
    ):
        assert text in html
    assert html.count("<svg") == 4


def test_the_page_shows_intervals_and_the_network(page, tmp_path):
    rule = METRICS.rules[0].model_copy(update={"interval": (0.4, 0.58)})
    intervals = Intervals(
        groups=12,
        metrics={"iou/ground": (0.31, 0.66)},
        slices={"a=b": {"mean_iou": (0.5, 0.6)}, "a=c": {"mean_iou": (0.45, 0.55)}},
    )
    part = Scores(
        images=1,
        metrics=METRICS.metrics | {"mean_iou": 0.55},
        confusion_matrix=METRICS.confusion_matrix,
        calibration=[],
    )
    update = {"rules": [rule], "intervals": intervals, "slices": {"a=b": part}}
    metrics = METRICS.model_copy(update=update, deep=True)
    metrics.serving.load_seconds = metrics.serving.p50_ms = metrics.serving.p95_ms = 1.0
    metrics.serving.peak_mib = 1.0
    (tmp_path / "metrics.json").write_text(metrics.model_dump_json())
    network = {"network": "vgg16, decoder unet of width 0.25"}
    (tmp_path / "report.json").write_text(CONTENTS.model_copy(update=network).model_dump_json())
    html = page(RunFacts("2026-01-01"))
    for text in (
        "sure: 95 % interval 0.400–0.580",
        '<small class="interval">0.310–0.660</small>',
        'style="--low: 50.0%; --high: 100.0%; --value: 75.0%; --whole: 50.0%">0.500–0.600</td>',
        "from the 12 groups of the test split",
        "<td>vgg16, decoder unet of width 0.25</td>",
    ):
        assert text in html


def test_the_page_says_what_to_look_at_next(page, tmp_path):
    error = {"folder": "pictures/0/error", "width": 8, "height": 6, "pixels": 1234}
    error = ErrorArea(**error, truth=0, predicted=1)
    ranks = {"cost": 0.0124, "costs": [0.03, -0.01], "wrong": 2345, "share": 0.25, "error": error}
    group = CardGroup(title="Cost the mean IoU most", cards=[CARD.model_copy(update=ranks)])
    (tmp_path / "report.json").write_text(
        CONTENTS.model_copy(update={"gallery": [group]}).model_dump_json()
    )
    (tmp_path / "metrics.json").write_text(METRICS.model_dump_json())
    html = page(RunFacts("2026-01-01"))
    for text in (
        "The class <b>ground</b> costs most: its IoU is 0.500, which takes 0.250 from the mean",
        "100.0% of its wrong pixels are confused with &lt;disc&gt;",
        '<a href="#pictures-0">a/b</a> (0.0124)',
        '<article id="pictures-0" data-classes="0" data-order=\'[-0.03, 0.01]\'>',
        "Costs the mean IoU <b>0.0124</b>; 2,345 wrong pixels (25.0%).",
        "Largest error: 1,234 connected pixels, ground taken for &lt;disc&gt;.",
        '<img class="truth" src="pictures/0/error/truth.png"',
    ):
        assert text in html


def test_a_report_of_an_older_version_has_no_costs_and_no_wrong_masks(page):
    html = page(RunFacts("2026-01-01"))
    assert "data-order='[0.5, null]'" in html
    assert "Masks that may be wrong" not in html


def test_the_page_shows_the_masks_that_may_be_wrong_unless_they_were_judged(page):
    cards = [
        MASK.model_copy(update={"key": key, "content": key, "folder": f"pictures/masks/{place}"})
        for place, key in enumerate("abcdefghijklmn")
    ]
    wrong = WrongMasks(contradicted=1014, scored=2000, judged=3, cards=cards)
    contents = CONTENTS.model_copy(update={"wrong_masks": wrong})
    html = page(RunFacts("2026-01-01", judged={"a"}), METRICS, contents)
    for text in (
        '<a href="#pictures-masks-1">b</a> (ground, probably &lt;disc&gt;), <a href="#pictures-m',
        'The model contradicts 1,014 of 2,000: <a href="#masks">masks that may be wrong</a>.',
        '<article id="pictures-masks-1">',
        "probably <b>&lt;disc&gt;</b> (0.91): 1,234 pixels.",
        "2 smaller regions besides.",
        '<img src="pictures/masks/1/expected.jpg" alt="b: what the model expects"',
        "3 judged before were left out.",
    ):
        assert text in html
    # Of the 13 masks that were not judged, twelve are shown, and five are in the list at the top.
    assert html.count('<article id="pictures-masks-') == 12
    assert html.count('<a href="#pictures-masks-') == 5
    assert "pictures/masks/0" not in html
    assert "Costs the mean" not in html


def test_the_page_shows_facts_about_the_run(page):
    html = page(
        RunFacts(
            "2026-01-01",
            version="7",
            decisions=["ann blessed it"],
            anomalies=["test: <new>"],
            durations={"Trainer": 59.6, "Pusher": 1.0},
            all_runs="../index.html",
        )
    )
    for text in (
        '<p>Run 2026-01-01, pushed as version 7. <a href="../index.html">All runs</a></p>',
        "<strong>ann blessed it.</strong>",
        "<li>test: &lt;new&gt;</li>",
        '<th scope="row">Trainer</th><td>60 s</td>',
        '<th scope="row">All steps</th><td>61 s</td>',
    ):
        assert text in html


def test_facts_may_be_missing(page):
    html = page(RunFacts("2026-01-01"))
    assert "<p>Run 2026-01-01</p>" in html
    assert "no anomalies" in html
    assert "All steps" not in html


def test_the_page_shows_the_calibration_with_and_without_the_temperature(page):
    values = METRICS.metrics | {"calibration_error": 0.012, "raw_calibration_error": 0.034}
    raw = {"metrics": values, "raw_calibration": [[40, 36.0, 30]]}
    contents = CONTENTS.model_copy(update={"temperature": 1.37})
    html = page(RunFacts("2026-01-01"), METRICS.model_copy(update=raw), contents)
    text = "Calibration error 0.034 without the temperature, 0.012 with it (1.37, fitted on val)."
    assert text in html
    assert all(f">{text}</text>" in html for text in ("temperature", "with", "without"))
    assert "temperature" not in page(RunFacts("2026-01-01"), METRICS, CONTENTS)


def test_the_page_shows_the_model_card_if_there_is_one(page, tmp_path):
    assert "Model card" not in page(RunFacts("2026-01-01"))
    (tmp_path / "model_card.json").write_text(make_card("<lake>").model_dump_json())
    html = page(RunFacts("2026-01-01"))
    for text in (
        '<h3 id="card1">Intended use</h3>',
        "<li>&lt;lake&gt;</li>",
        '<th scope="row">parameters</th><td>17,000,000</td>',
        '<a href="#card">Model card</a>',
    ):
        assert text in html
    assert "<lake>" not in html


def test_names_cannot_change_the_markup(page):
    html = page(RunFacts("2026-01-01"))
    assert "&lt;disc&gt;" in html
    assert "<disc>" not in html


@pytest.mark.parametrize(("number", "columns"), [(7, True), (8, False), (11, False)])
def test_more_than_seven_classes_are_no_columns(page, number, columns):
    classes = [f"rough stone {number}" for number in range(number)]
    values = dict.fromkeys(metric_names(classes), 0.5)
    confusion = [[7] * number] * number
    scores = Scores(images=3, metrics=values, confusion_matrix=confusion, calibration=[])
    update = {"metrics": values, "confusion_matrix": confusion, "slices": {"a=b": scores}}
    epoch = EPOCH | {f"val_{of_class(IOU, name)}": 0.5 for name in classes}
    split = SplitContents(name="train", images=3, groups=2, shares=[0.05] * number)
    contents = {"classes": classes, "histories": [[epoch]], "splits": [split], "gallery": []}
    html = page(
        RunFacts("2026-01-01"),
        METRICS.model_copy(update=update),
        CONTENTS.model_copy(update=contents),
    )
    assert ("data-matrix" in html.partition("<script")[0]) != columns
    assert html.count('<th scope="col">rough stone 6</th>') == (2 if columns else 0)
    assert ("lowest IoU</th>" in html) != columns


@pytest.mark.parametrize(("scheme", "number"), [("light", 20), ("dark", 150)])
def test_hostile_names_and_many_classes_in_a_browser(page, tmp_path, opened, scheme, number):
    classes = [f"<img src=x onerror=console.log(1)> 道路 {number}" for number in range(number)]
    values = dict.fromkeys(metric_names(classes), 0.5)
    confusion = [[7] * number] * number
    scores = Scores(images=3, metrics=values, confusion_matrix=confusion, calibration=[])
    rule = METRICS.rules[0].model_copy(update={"slice": f"column/{HOSTILE}={HOSTILE}"})
    metrics = METRICS.model_copy(
        update={
            "reasons": [HOSTILE],
            "remarks": [HOSTILE],
            "metrics": values,
            "baseline": dict.fromkeys(values, 0.4),
            "baseline_model": "Trainer/model/5",
            "rules": [rule, rule.model_copy(update={"passed": None, "reason": HOSTILE})],
            "confusion_matrix": confusion,
            "slices": {f"column/x={HOSTILE}": scores, "source=b": scores},
            "intervals": Intervals(
                groups=12,
                metrics=dict.fromkeys(values, (0.31, 0.66)),
                slices={f"column/x={HOSTILE}": {"mean_iou": (0.31, 0.45)}},
            ),
        }
    )
    epoch = EPOCH | {f"val_{of_class(IOU, name)}": 0.5 for name in classes}
    ids = {"truth": class_ids_url(np.full((6, 8), 3, np.uint8))}
    cards = [
        CARD.model_copy(
            update={
                **{"key": f"{HOSTILE}{card}", "ious": [0.5] * number, "folder": "p"},
                **{"cost": 0.01, "costs": [0.01] * number, "wrong": 9, "share": 0.5},
                **{"ids": ids, "present": list(range(number))},
                "error": ErrorArea(folder="p", width=8, height=6, pixels=9, truth=0, predicted=1),
            }
        )
        for card in range(2)
    ]
    doubtful = {"key": HOSTILE, "ids": {"mask": class_ids_url(np.full((4, 4), 7, np.uint8))}}
    masks = [MASK.model_copy(update=doubtful | {"folder": f"p{place}"}) for place in (0, 1)]
    contents = CONTENTS.model_copy(
        update={
            "classes": classes,
            "histories": [[epoch, epoch | {"epoch": 2.0}]],
            "splits": [SplitContents(name="train", images=3, groups=2, shares=[0.05] * number)],
            "gallery": [CardGroup(title=title, cards=cards) for title in ("Worst", "Median")],
            "provenance": [("Data", HOSTILE)],
            "wrong_masks": WrongMasks(contradicted=2, scored=9, judged=1, cards=masks),
            "config": HOSTILE,
        }
    )
    for name in ("image.jpg", "truth.png", "prediction.png", "prediction_errors.png"):
        save_picture(str(tmp_path / "p" / name), Image.new("RGB", (8, 6)))
    for path in (f"p{number}/{name}.jpg" for number in (0, 1) for name in CAPTIONS):
        save_picture(str(tmp_path / path), Image.new("RGB", (8, 6)))
    decided = RunFacts("2026-01-01", decisions=[HOSTILE], anomalies=[HOSTILE])
    card = make_card(HOSTILE).model_dump_json()
    (tmp_path / "model_card.json").write_text(card)
    page(decided, metrics, contents)
    for viewport in (DESKTOP, PHONE):
        shown = opened(tmp_path / "index.html", viewport, color_scheme=scheme)
        shown.get_by_text("Config", exact=True).click()
        shown.get_by_text("Show the card").click()
        shown.get_by_text(f"Legend: {number} classes").click()
        assert fits(shown)
        assert hidden_numbers(shown) == []
        assert serious_findings(shown) == []
        shown.locator("[data-ids]").first.hover()
        assert shown.locator(".name-tag").inner_text() == classes[3]
        shown.locator("#p0 [data-ids]").hover()
        assert shown.locator(".name-tag").inner_text() == classes[7]
        matrix = shown.locator("[data-matrix]")
        matrix.hover(position={"x": 0.9 * matrix.bounding_box()["width"], "y": 9})
        assert " taken for " in shown.locator(".name-tag").inner_text()
        assert shown.locator(".confusions li").count() == 20


def test_anomalies_are_lines_of_a_file_that_may_be_gone(tmp_path):
    assert read_anomalies(str(tmp_path)) == []
    (tmp_path / "anomalies.txt").write_text("train: a\ntest: b\n")
    assert read_anomalies(str(tmp_path)) == ["train: a", "test: b"]
