from components.labels.ranking import ScoredMask, rank_masks
from components.labels.scores import LabelScores, Region

REGION = Region(0, 1, 2, 3, 6, 8, 20, 0.9)


def scored(key, suspicion, worst=REGION, content=""):
    return ScoredMask(
        key, "val", content, LabelScores(0.1, suspicion, int(worst is not None), worst)
    )


def test_only_the_most_suspicious_are_kept_with_their_worst_region():
    masks = [scored(str(number), number / 10) for number in (3, 1, 4, 2)]
    ranking = rank_masks(iter([*masks, scored("5", 0.9, None)]), set(), most=2)
    assert [(wrong.mask.key, wrong.worst) for wrong in ranking.masks] == [
        ("4", REGION),
        ("3", REGION),
    ]
    assert ranking[1:] == (4, 5, 0)


def test_equal_masks_are_ordered_by_key():
    ranking = rank_masks([scored("b", 0.5), scored("a", 0.5)], set(), most=5)
    assert [wrong.mask.key for wrong in ranking.masks] == ["a", "b"]


def test_judged_masks_are_counted():
    masks = [scored("a", 0.5, content="x"), scored("b", 0.4, content="y")]
    ranking = rank_masks(masks, {"x"}, most=5)
    assert [wrong.mask.key for wrong in ranking.masks] == ["b"]
    assert ranking[1:] == (1, 1, 1)
