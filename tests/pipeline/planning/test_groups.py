import pytest

from pipeline.planning.groups import find_groups

KEYS = {
    "folders": ([f"p{n // 2}/{n}" for n in range(12)], 6),
    "patients": ([f"patient{n // 3:02d}_slice{n}" for n in range(18)], 6),
    "numbers": ([f"{n // 2:03d}_{n}" for n in range(20)], 10),
    "streets": ([f"street {'abcdef'[n % 6]} {n}" for n in range(24)], 6),
}


@pytest.mark.parametrize(("keys", "groups"), KEYS.values(), ids=KEYS)
def test_names_that_repeat_are_groups(keys, groups):
    assert find_groups(keys).groups == groups


@pytest.mark.parametrize(
    "keys",
    [[], [str(n) for n in range(20)], ["a1", "b2"], [f"img_{n}" for n in range(50)]],
    ids=["none", "numbers", "two", "a single prefix"],
)
def test_other_names_are_no_groups(keys):
    assert find_groups(keys) is None
