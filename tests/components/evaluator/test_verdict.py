import pytest

from components.evaluator.rule import Rule
from components.evaluator.verdict import VERDICT_FILE, Verdict, read_verdict


def rule(metric, *, passed, reason=""):
    return Rule(metric=metric, kind="floor", value=0.4, limit=0.5, passed=passed, reason=reason)


def test_a_verdict_survives_its_file(tmp_path):
    rules = [
        rule("iou/land", passed=False),
        rule("iou/lake", passed=None, reason="only 3 pixels of lake (gate.min_pixels is 4)"),
        Rule(metric="mean_iou", kind="drop", value=0.4, limit=0.1, baseline=0.4, passed=True),
    ]
    verdict = Verdict(blessed=False, rules=rules, baseline="Trainer/model/5", remarks=["a"])
    (tmp_path / VERDICT_FILE).write_text(verdict.model_dump_json())
    assert read_verdict(str(tmp_path)) == verdict


@pytest.mark.parametrize(
    ("blessed", "rules", "reasons"),
    [
        (True, [rule("iou/land", passed=True)], []),
        (
            False,
            [rule("iou/land", passed=False), rule("mean_iou", passed=False)],
            [
                "land: IoU 0.400 is below its floor 0.500",
                "mean IoU 0.400 is below its floor 0.500",
            ],
        ),
        (
            False,
            [rule("iou/lake", passed=None)],
            ["no rule of the gate could be checked: too few images or pixels"],
        ),
    ],
    ids=["blessed", "broken rules", "no rule was checked"],
)
def test_the_reasons_are_the_broken_rules(blessed, rules, reasons):
    assert Verdict(blessed=blessed, rules=rules).reasons() == reasons


def test_doubts_are_the_rules_that_pass_without_certainty_or_were_not_checked():
    interval = {"interval": (0.4, 0.8), "groups": 9}
    rules = [
        Rule(metric="iou/a", kind="floor", value=0.6, limit=0.3, passed=True, **interval),
        Rule(
            **interval,
            metric="iou/b",
            kind="floor",
            value=0.6,
            limit=0.5,
            passed=True,
            groups_needed=36,
        ),
        Rule(metric="iou/c", kind="floor", value=0.2, limit=0.5, passed=False, groups_needed=9),
        Rule(metric="iou/d", kind="floor", value=None, limit=0.5, passed=None, reason="few"),
        Rule(metric="iou/e", kind="floor", value=0.4, limit=0.5, passed=False, groups=3),
        Rule(metric="iou/f", kind="floor", value=None, limit=0.5, passed=False, groups=3),
        Rule(metric="mean_iou", kind="floor", value=0.6, limit=0.5, passed=True, groups=3),
        Rule(
            metric="mean_iou", kind="drop", value=0.6, baseline=0.6, limit=0, passed=True, groups=3
        ),
        Rule(metric="iou/new", kind="drop", value=0.6, limit=0.1, passed=True, groups=3),
        Rule(metric="of an old verdict", kind="floor", value=0.6, limit=0.5, passed=True),
    ]
    assert Verdict(blessed=False, rules=rules).doubts() == [
        "b: IoU 0.600 is not below its floor 0.500 (cannot tell: 95 % interval 0.400–0.800; about "
        "36 groups would settle it, the test split has 9)",
        "d: IoU was not checked: few",
        "cannot tell without an interval, since the groups are too few or all alike: e: IoU, "
        "mean IoU",
    ]
