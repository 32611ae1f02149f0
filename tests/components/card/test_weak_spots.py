from components.card.weak_spots import weak_spots
from components.evaluator.weak_slices import ComparedSlice
from serving.card.card import Measured


def measured(value, interval=None):
    return Measured(value=value, interval=interval)


def test_classes_below_the_mean_and_weak_slices_are_named():
    metrics = {
        "mean_iou": measured(0.78),
        "iou/ocean": measured(0.98),
        "iou/lake": measured(0.38, (0.037, 0.908)),
        "iou/ice": measured(None),
        "iou/land": measured(0.7),
    }
    slices = [ComparedSlice("a=1", 1, 0.5, (0.4, 0.6)), ComparedSlice("a=2", 3, 0.6, (0.5, 0.7))]
    assert weak_spots(metrics, slices, ["ocean", "lake", "ice", "land"]) == [
        "lake: IoU 0.380 (95 % interval 0.037–0.908); the mean over all classes is 0.780",
        "land: IoU 0.700; the mean over all classes is 0.780",
        "a=1: mean IoU 0.500 (95 % interval 0.400–0.600) on 1 image; on all images 0.780",
        "a=2: mean IoU 0.600 (95 % interval 0.500–0.700) on 3 images; on all images 0.780",
    ]


def test_at_most_three_of_each():
    names = [f"c{number}" for number in range(9)]
    metrics = {f"iou/{name}": measured(0.1) for name in names} | {"mean_iou": measured(0.5)}
    slices = [ComparedSlice(name, 1, 0.1, (0.0, 0.2)) for name in names]
    assert len(weak_spots(metrics, slices, names)) == 6


def test_without_a_mean_nothing_is_weak():
    assert weak_spots({"mean_iou": measured(None)}, [], []) == []
