import subprocess
import sys

import pytest

from components.example_gen.listing_job import listing_job
from data.jobs.processes import in_processes, in_this_process
from data.jobs.shuffle import run_job
from data.source_config import FolderSource


@pytest.mark.parametrize(
    ("path", "run_tasks"), [("/data", in_processes), ("gs://bucket/data", in_this_process)]
)
@pytest.mark.parametrize("arguments", [[], ["--runner=DirectRunner"]])
def test_without_a_cluster_a_source_is_listed_on_this_machine(path, run_tasks, arguments):
    job = listing_job(FolderSource(kind="folder", path=path), arguments, "/scratch")
    assert (job.func, job.keywords) == (run_job, {"run_tasks": run_tasks})


def test_on_a_cluster_it_is_a_beam_job_with_the_options_of_the_config():
    source = FolderSource(kind="folder", path="/data")
    arguments = ["--runner=DirectRunner", "--runner=FlinkRunner", "--parallelism=7"]
    make_pipeline, folder = listing_job(source, arguments, "/scratch").args
    assert folder == "/scratch"
    assert make_pipeline.args == (arguments,)
    own = object()
    assert listing_job(source, arguments, "/scratch", own).args == (own, "/scratch")


def test_neither_beam_nor_tfx_is_loaded_to_choose():
    code = (
        "import sys, components.example_gen.listing_job;"
        "print({'apache_beam', 'tfx', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
