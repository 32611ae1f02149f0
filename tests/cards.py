"""Model cards for tests."""

from data.class_names import class_key
from serving.card.card import (
    CardData,
    CardNetwork,
    CardSlice,
    CardSpeed,
    CardSplit,
    CardVerdict,
    Measured,
    ModelCard,
)
from serving.card.config import CardConfig


def make_card(text="lake"):
    """Makes a card in which every text that may come from others is the given one."""
    metrics = {
        "mean_iou": Measured(value=0.78, interval=(0.576, 0.902)),
        "calibration_error": Measured(value=0.01),
        "raw_calibration_error": Measured(value=0.03),
        f"iou/{class_key(text)}": Measured(value=None),
    }
    return ModelCard(
        name=text,
        trained="2026-11-30 12:00",
        texts=CardConfig(intended_use=text, limits=text, contact=text),
        classes=[text],
        data=CardData(
            spans=[3, 4],
            splits=[CardSplit(name="test", images=31, groups=20, shares=[1.0])],
            fingerprint=text,
        ),
        images=31,
        groups=20,
        metrics=metrics,
        slices=[CardSlice(name=f"source={text}", images=1, metrics=metrics)],
        weak_spots=[text, text],
        verdict=CardVerdict(
            blessed=True, baseline=text, rules=[text], remarks=[text], decisions=[text]
        ),
        temperature=1.5,
        network=CardNetwork(
            architecture="vgg16, decoder unet of width 0.25",
            view="resize to 224×224 pixels",
            precision="auto",
            weights=text,
            licence="MIT",
            parameters=17_000_000,
            mebibytes=65.4321,
            gflops=41.234,
        ),
        speed=CardSpeed(images=8, p50_ms=40.4, p95_ms=None, load_seconds=1.25, peak_mib=800.0),
        versions={"unetfx": "1.0"},
    )
