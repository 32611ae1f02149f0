"""A few of the benchmark's cases, none of which may find anything."""

from benchmarks.hostile import run_cases
from benchmarks.mutations import mutated, real_files


def test_damaged_files_are_refused_or_read_as_they_are_stored():
    trial = run_cases(range(2))
    assert trial.findings == []
    for stage in trial.stages.values():
        assert stage.accepted > 5
        assert stage.refused > 5


def test_a_case_is_always_the_same():
    files = real_files()
    cases = {
        mutated(files["tiff lzw"], files["jpeg"], (number, 1))
        for number in (1, 2, 3)
        for _ in range(2)
    }
    assert len(cases) == 3
