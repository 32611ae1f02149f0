"""Tests that jobs have the same results on Beam as in this process."""

import functools
from typing import NamedTuple

import apache_beam as beam
import pytest
from tfx.types import standard_artifacts

from components.beam_job import run_beam_job
from components.example_gen.component import PairsExampleGen
from components.example_gen.executor import Executor
from data.errors import InputError
from data.jobs.processes import in_this_process
from data.jobs.shuffle import Stage, run_job
from data.listing.listing import list_pairs
from tests.components.example_gen.conftest import BEAM, KEYS, settings_of, write_pair, write_pairs


class Words(NamedTuple):
    """Result of a job: the sorted words from all tasks."""

    words: list

    def merged(self, other):
        return Words(sorted(self.words + other.words))


def pipeline():
    return beam.Pipeline(argv=BEAM)


@pytest.fixture(params=["here", "beam"])
def job(request, tmp_path):
    if request.param == "beam":
        return functools.partial(run_beam_job, pipeline, str(tmp_path / "beam"))
    return functools.partial(run_job, run_tasks=in_this_process)


def test_a_job_without_tasks_has_the_empty_result(job):
    assert job([Stage(len), Stage(sum)], [], None, Words(["none"])) == Words(["none"])


def listing(folder, job, target, **options):
    data = settings_of(folder).data
    return list_pairs(data, str(target), job, name="discs", own_folder="", **options)


def test_a_listing_is_the_same_on_beam(tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    (folder / "masks/b/0.png").unlink()
    here = functools.partial(run_job, run_tasks=in_this_process)
    on_beam = functools.partial(run_beam_job, pipeline, str(tmp_path / "beam"))
    one = listing(folder, here, tmp_path / "one", hashed=True)
    two = listing(folder, on_beam, tmp_path / "two", hashed=True)
    assert one.census == two.census
    assert [row.pair for row in one.pairs()] == [row.pair for row in two.pairs()]
    assert len(one.census.digests) > 10


def test_an_error_in_the_data_arrives_as_it_is(tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    (folder / "images/a/circle").symlink_to(folder / "images")
    on_beam = functools.partial(run_beam_job, pipeline, str(tmp_path / "beam"))
    with pytest.raises(InputError, match=r"circle: a link to a folder that contains it"):
        listing(folder, on_beam, tmp_path / "list")
    assert not list((tmp_path / "beam").glob("result*"))


def test_beam_counts_good_and_bad_pairs_and_files_without_a_pair(tmp_path, monkeypatch):
    folder = write_pairs(tmp_path / "data", KEYS)
    write_pair(folder, "a/0", mask_size=(5, 4))
    (folder / "masks/b/0.png").unlink()
    (folder / "images/b/1.png").unlink()
    results = []

    class Pipeline(beam.Pipeline):
        def __exit__(self, *error):
            results.append(self.run())
            results[-1].wait_until_finish()

    monkeypatch.setattr(Executor, "_make_beam_pipeline", lambda self: Pipeline(argv=BEAM))
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")
    component = PairsExampleGen(settings_of(folder, on_bad_pair="skip", max_bad_fraction=0.2))
    Executor(Executor.Context(beam_pipeline_args=BEAM)).Do(
        {}, {"examples": [examples]}, dict(component.exec_properties)
    )
    counters = {
        counter.key.metric.name: counter.committed
        for counter in results[-1].metrics().query()["counters"]
        if counter.key.metric.namespace == "unetfx"
    }
    expected = {"pairs_read": len(KEYS) - 3, "pairs_bad": 1, "files_without_pair": 2}
    assert counters == expected
    assert {name: examples.get_int_custom_property(name) for name in expected} == expected
