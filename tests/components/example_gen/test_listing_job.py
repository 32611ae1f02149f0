"""Where the pairs are listed: on this machine or by a Beam runner."""

import functools

import apache_beam as beam

from components.example_gen.listing_job import listing_job
from data.jobs.processes import in_processes, in_this_process
from data.listing.listing import list_pairs
from data.source_config import FolderSource
from tests.components.example_gen.conftest import BEAM, KEYS, settings_of, write_pairs

CLUSTER = ["--runner=DirectRunner", "--runner=PortableRunner"]  # the last one counts


def source(path):
    return FolderSource(kind="folder", path=path)


def test_without_a_cluster_local_files_are_listed_in_processes_and_remote_ones_in_this():
    for path, run_tasks in (("cells", in_processes), ("gs://bucket/cells", in_this_process)):
        for arguments in ([], ["--runner=DirectRunner"]):
            assert listing_job(source(path), arguments, "").keywords == {"run_tasks": run_tasks}


def test_a_cluster_lists_the_same_pairs(tmp_path):
    data = settings_of(write_pairs(tmp_path / "data", KEYS)).data
    run_on_beam = listing_job(
        data.source,
        CLUSTER,
        str(tmp_path / "beam"),
        functools.partial(beam.Pipeline, argv=BEAM),
    )
    listings = [
        list_pairs(data, str(tmp_path / name), run, name="discs", own_folder="")
        for name, run in (("one", run_on_beam), ("two", listing_job(data.source, [], "")))
    ]
    assert listings[0].census == listings[1].census
    assert listings[0].census.pairs.total() == len(KEYS)
