from serving.card.card import CardSlice, CardSpeed, Measured
from serving.card.config import CardConfig
from serving.card.sections import card_sections
from tests.cards import make_card
from tests.pages import HOSTILE


def sections(card):
    return {section.title: section for section in card_sections(card)}


def test_every_part_of_a_card_has_a_section():
    found = sections(make_card())
    assert list(found) == [
        *("Intended use", "Limits", "Contact", "Known weak spots", "Verdict of the gate"),
        *(
            "Metrics",
            "Metrics by class",
            "Calibration",
            "Slices",
            "Data",
            "Network",
            "Speed",
            "Versions",
        ),
    ]
    assert found["Metrics"].table == [
        ["metric", "value", "95 % interval"],
        ["mean_iou", "0.780", "0.576–0.902"],
        ["calibration_error", "0.010", ""],
        ["raw_calibration_error", "0.030", ""],
    ]
    assert found["Metrics by class"].table == [["class", "iou"], ["lake", "–"]]
    assert "is 0.030 without it and 0.010 with it" in found["Calibration"].lines[0]
    slices = [row[:3] + row[-1:] for row in found["Slices"].table]
    assert slices[1] == ["source=lake", "1", "0.780 0.576–0.902", "–"]
    assert found["Data"].lines == ["Spans: 3, 4.", "Fingerprint of the files: lake"]
    assert found["Data"].table == [
        *(["split", "test"], ["images", "31"], ["groups", "20"], ["lake", "100.00%"]),
    ]
    assert ["operations", "41.2 GFLOPs for one input"] in found["Network"].table
    assert ["parameters", "17,000,000"] in found["Network"].table
    assert found["Speed"].table[1:] == [
        ["median latency for one image", "40 ms"],
        ["loading time", "1.2 s"],
        ["peak memory", "800 MiB"],
    ]
    assert found["Versions"].table[1:] == [
        ["trained", "2026-11-30 12:00 UTC"],
        ["unetfx", "1.0"],
    ]


def test_many_classes_are_rows_and_no_columns():
    card, classes = make_card(), [f"traffic light {number}" for number in range(150)]
    metrics = card.metrics | {
        f"{kind}/traffic_light_{number}": Measured(value=0.5, interval=(0.25, 0.75))
        for kind in ("iou", "dice")
        for number in range(150)
    }
    del metrics["iou/lake"]
    part = CardSlice(name="source=a", images=3, metrics=metrics)
    (split,) = card.data.splits
    data = card.data.model_copy(
        update={"splits": [split.model_copy(update={"shares": [1 / 150] * 150})]}
    )
    many = {"classes": classes, "metrics": metrics, "slices": [part], "data": data}
    found = sections(card.model_copy(update=many))
    assert max(len(row) for section in found.values() for row in section.table) < 10
    assert found["Metrics by class"].table[-1] == [
        *("traffic light 149", "0.500 0.250–0.750", "0.500 0.250–0.750"),
    ]
    assert found["Data"].table[-1] == ["traffic light 149", "0.67%"]


def test_what_nobody_wrote_or_measured_is_said_or_left_out():
    card = make_card()
    unmeasured = CardSpeed(images=1, p50_ms=None, p95_ms=None, load_seconds=None, peak_mib=None)
    network = card.network.model_copy(update={"gflops": None, "weights": "", "licence": ""})
    data = card.data.model_copy(update={"spans": []})
    empty = {
        "slices": [],
        "weak_spots": [],
        "texts": CardConfig(),
        "trained": None,
        "temperature": None,
    }
    empty |= {"speed": unmeasured, "network": network, "data": data}
    found = sections(card.model_copy(update=empty))
    assert "Slices" not in found
    assert found["Calibration"].lines == ["The probabilities have no temperature."]
    assert found["Limits"].lines == ["Not stated: the key card.limits of the config is empty."]
    assert found["Known weak spots"].lines == ["None was found on the test split."]
    assert found["Speed"].lines == ["ServingCheck sent 1 image, on the machine that ran it."]
    assert found["Speed"].table == []
    assert len(found["Network"].table) == 1 + 5
    assert len(found["Data"].lines) == 1


def test_every_text_is_one_line_without_control_characters():
    for section in card_sections(make_card(HOSTILE + "\n\n# heading")):
        for text in (*section.lines, *(cell for row in section.table for cell in row)):
            assert not set("\n\x1b\u202e") & set(text)
