from components.card.weak_spots import weak_spots
from serving.card.card import CardSlice, Measured


def measured(value, interval=None):
    return Measured(value=value, interval=interval)


def part(name, value, images=3):
    return CardSlice(name=name, images=images, metrics={"mean_iou": measured(value)})


def test_classes_and_slices_below_the_mean_are_weak():
    metrics = {
        "mean_iou": measured(0.78),
        "iou/ocean": measured(0.98),
        "iou/lake": measured(0.38, (0.037, 0.908)),
        "iou/ice": measured(None),
        "iou/land": measured(0.7),
    }
    slices = [
        part("mask/ice=absent", 0.2),
        part("a=1", 0.5, 1),
        part("a=2", 0.6),
        part("a=3", 0.8),
        part("a=4", None),
    ]
    assert weak_spots(metrics, slices, ["ocean", "lake", "ice", "land"]) == [
        "lake: IoU 0.380 (95 % interval 0.037–0.908); the mean over all classes is 0.780",
        "land: IoU 0.700; the mean over all classes is 0.780",
        "a=1: mean IoU 0.500 on 1 image; on all images 0.780",
        "a=2: mean IoU 0.600 on 3 images; on all images 0.780",
    ]


def test_at_most_three_of_each():
    names = [f"c{number}" for number in range(9)]
    metrics = {f"iou/{name}": measured(0.1) for name in names} | {"mean_iou": measured(0.5)}
    slices = [part(name, 0.1) for name in names]
    assert len(weak_spots(metrics, slices, names)) == 6


def test_without_a_mean_nothing_is_weak():
    assert weak_spots({"mean_iou": measured(None)}, [part("a=1", None)], []) == []
