"""Where the pairs are listed: on this machine or by a Beam runner."""

import functools

import apache_beam as beam

from components.example_gen.listing_job import listing_job
from data.config import DataConfig
from data.config.sources import FolderSource
from data.jobs.processes import in_processes, in_this_process
from data.listing.listing import list_pairs
from tests.components.example_gen.conftest import BEAM, KEYS, settings_of, write_pairs
from tests.data.sources.annotations.coco_files import annotation, image, write_coco

CLUSTER = ["--runner=FnApiRunner", "--runner=PortableRunner"]  # the last one counts


def source(path):
    return FolderSource(kind="folder", path=path)


def test_without_a_cluster_local_files_are_listed_in_processes_and_remote_ones_in_this():
    for path, run_tasks in (("cells", in_processes), ("gs://bucket/cells", in_this_process)):
        for arguments in ([], ["--runner=FnApiRunner"]):
            assert listing_job(source(path), arguments, "").keywords == {"run_tasks": run_tasks}


def listings(data, tmp_path):
    """Lists the pairs on a Beam runner, and on this machine."""
    run_on_beam = listing_job(
        data.source,
        CLUSTER,
        str(tmp_path / "beam"),
        functools.partial(beam.Pipeline, argv=BEAM),
    )
    return [
        list_pairs(data, str(tmp_path / name), run, name="discs", own_folder=f"{tmp_path}/own")
        for name, run in (("one", run_on_beam), ("two", listing_job(data.source, [], "")))
    ]


def test_a_cluster_lists_the_same_pairs(tmp_path):
    data = settings_of(write_pairs(tmp_path / "data", KEYS)).data
    on_beam, here = listings(data, tmp_path)
    assert on_beam.census == here.census
    assert on_beam.census.pairs.total() == len(KEYS)


def test_a_cluster_lists_the_same_drawn_masks(tmp_path):
    objects = [annotation(1), annotation(2), annotation(9)]
    write_coco(tmp_path / "coco/annotations.json", [image(1), image(2)], objects)
    source = {"kind": "coco", "path": f"{tmp_path}/coco"}
    data = DataConfig.model_validate({"source": source, "classes": ["background", "cat"]})
    on_beam, here = listings(data, tmp_path)
    assert on_beam.census == here.census
    assert (on_beam.census.pairs.total(), on_beam.census.problems.count) == (2, 1)
