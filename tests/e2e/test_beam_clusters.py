"""Beam jobs on a Flink or Spark cluster have the same results as in this process."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pytest
import yaml
from apache_beam.utils.subprocess_server import SubprocessServer, pick_port
from PIL import Image
from tfx import v1 as tfx
from tfx.components.statistics_gen.stats_artifact_utils import load_statistics
from tfx.orchestration.pipeline import RunOptions
from tfx.types import standard_artifacts

from components.evaluator.component import Executor
from components.evaluator.evaluated_masks import read_masks
from components.evaluator.results import read_evaluation
from data.config import SPLITS
from data.jobs.shuffle import PARTITIONS
from data.listing.pair_list import read_list
from pipeline.config.config import Config
from pipeline.config.loading import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.beam_engine import out_of_cache, refuse_unreachable

pytestmark = [
    pytest.mark.slow,
    # Threads of Beam lose their connections when a job ends or a worker is killed.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
SIZE = 64  # pixels, the size of the project's images
CLUSTERS = Path(__file__).parent / "clusters"
# Programs that run for seconds gain nothing from the optimising compiler and parallel collectors.
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


class Engine(NamedTuple):
    """A running Beam engine.

    Attributes:
      beam: Section `beam` of a config that uses it.
      jobs_done: Returns the number of finished jobs.
      folder: Folder of the cluster.
    """

    beam: dict[str, object]
    jobs_done: Callable[[], int]
    folder: Path


def job_server(jar, prefix, folder):
    """Returns the Beam options with which all jobs start, and so share, the same job server."""
    (port,) = pick_port(None)
    artifacts = str(folder / "job_server")
    return {f"{prefix}_job_server_jar": jar, "job_port": port, "artifacts_dir": artifacts}


@contextmanager
def running(name, folder):
    """Runs a cluster within the context, and yields its folder."""
    for program, package in (("java", "Java"), ("mvn", "Maven")):
        if not shutil.which(program):
            pytest.skip(f"no {package}")
    script = CLUSTERS / f"{name}.sh"
    environment = os.environ | {"PYTHON": sys.executable}
    download = subprocess.run(
        [script, "fetch"], env=environment, capture_output=True, text=True, check=False
    )
    if download.returncode:
        pytest.skip(f"{name} cannot be downloaded from Maven Central: {download.stdout[:500]}")
    subprocess.run([script, "start", folder], env=environment, check=True)
    try:
        # All jobs have one job server, since each takes 12 seconds of CPU time to start.
        # Beam warns of each server that it stops.
        logging.getLogger(SubprocessServer.__module__).setLevel(logging.ERROR)
        with SubprocessServer.cache_subprocesses():
            yield folder
    finally:
        subprocess.run([script, "stop", folder], check=True)


@pytest.fixture(scope="module", autouse=True)
def quick_java():
    """Sets options for all Java programs that the tests of this module start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", JAVA_OPTIONS)
        yield


@pytest.fixture(scope="module")
def flink(tmp_path_factory):
    """A Flink session cluster with two task managers."""
    with running("flink", tmp_path_factory.mktemp("flink") / "cluster") as folder:
        master, jar = ((folder / name).read_text().strip() for name in ("master", "jar"))

        def jobs_done():
            return httpx.get(f"http://{master}/overview").json()["jobs-finished"]

        options = {"flink_version": "1.19", **job_server(jar, "flink", folder)}
        beam = {"profile": "flink", "master": master, "options": options}
        yield Engine(beam, jobs_done, folder)


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """A Spark cluster with one worker."""
    with running("spark", tmp_path_factory.mktemp("spark") / "cluster") as folder:
        master, page, jar = (
            (folder / key).read_text().strip() for key in ("master", "page", "jar")
        )

        def jobs_done():
            return len(httpx.get(f"{page}/json/").json()["completedapps"])

        options = job_server(jar, "spark", folder)
        beam = {"profile": "spark", "master": master, "options": options}
        yield Engine(beam, jobs_done, folder)


def config_on(beam, project, folder, **data) -> Config:
    """Returns the config of the project with another workspace and engine."""
    config = yaml.safe_load(project.config.read_text()) | {"workspace": str(folder), "beam": beam}
    config["data"] |= data
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return load_config(folder / "config.yaml")


def run(config, last):
    """Runs the pipeline up to a step, as `unetfx run` does."""
    refuse_unreachable(config.beam)
    config.home.mkdir(parents=True, exist_ok=True)
    pipeline = create_pipeline(config)
    with out_of_cache(pipeline):
        tfx.orchestration.LocalDagRunner().run(pipeline, RunOptions(to_nodes=[last]))


def first_artifact(home, name) -> Path:
    """Returns the folder of the artifact of the first run."""
    return min((home / "artifacts" / name).iterdir(), key=lambda folder: int(folder.name))


def shards(examples) -> dict[str, bytes]:
    return {
        str(file.relative_to(examples)): file.read_bytes() for file in examples.glob("Split-*/*")
    }


def statistics(folder):
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri, artifact.split_names = str(folder), '["train", "val", "test"]'
    return {split: load_statistics(artifact, split).proto() for split in SPLITS}


@pytest.mark.parametrize("name", ["flink", "spark"])
def test_examples_statistics_and_metrics_equal_those_of_this_process(
    name, request, trained, tmp_path
):
    engine = request.getfixturevalue(name)
    before = engine.jobs_done()
    config = config_on(engine.beam, trained, tmp_path)
    run(config, "StatisticsGen")
    examples = first_artifact(config.home, "ExampleGen/examples")
    expected = first_artifact(trained.home, "ExampleGen/examples")
    assert shards(examples) == shards(expected)
    assert len(shards(examples)) == len(SPLITS)
    for file in ("pairs.jsonl", "findings.json"):
        assert (examples / file).read_bytes() == (expected / file).read_bytes()
    on_cluster = statistics(first_artifact(config.home, "StatisticsGen/statistics"))
    assert on_cluster == statistics(first_artifact(trained.home, "StatisticsGen/statistics"))

    inputs = {"examples": standard_artifacts.Examples(), "model": standard_artifacts.Model()}
    outputs = {
        "evaluation": standard_artifacts.ModelEvaluation(),
        "blessing": standard_artifacts.ModelBlessing(),
    }
    inputs["examples"].uri, inputs["examples"].split_names = str(examples), '["val", "test"]'
    inputs["model"].uri = str(first_artifact(trained.home, "Trainer/model"))
    for key, artifact in outputs.items():
        artifact.uri = str(tmp_path / key)
        (tmp_path / key).mkdir()
    evaluator = next(c for c in create_pipeline(config).components if c.id == "Evaluator")
    Executor(Executor.Context(beam_pipeline_args=config.beam.arguments())).Do(
        {key: [artifact] for key, artifact in inputs.items()},
        {key: [artifact] for key, artifact in outputs.items()},
        dict(evaluator.exec_properties),
    )
    local_folder = first_artifact(trained.home, "Evaluator/evaluation")
    local = read_evaluation(str(local_folder))
    remote = read_evaluation(str(tmp_path / "evaluation"))
    assert remote.candidate.keys() == local.candidate.keys()
    for key, scores in remote.candidate.items():
        assert scores.metrics == pytest.approx(local.candidate[key].metrics, rel=1e-6, nan_ok=True)
        assert scores.confusion_matrix == local.candidate[key].confusion_matrix
    masks = [
        sorted((mask.key, mask.split, mask.content) for mask in read_masks(str(folder)))
        for folder in (
            tmp_path / "evaluation",
            first_artifact(trained.home, "Evaluator/evaluation"),
        )
    ]
    assert masks[0] == masks[1]
    assert {split for _, split, _ in masks[0]} == {"val", "test"}
    # There are five jobs: fingerprint, list of pairs, examples, statistics and metrics.
    assert engine.jobs_done() == before + 5

    run(config_on({"profile": "local"}, trained, tmp_path), "StatisticsGen")
    assert len(list((config.home / "artifacts/ExampleGen/examples").iterdir())) == 1


def test_no_example_is_lost_when_task_managers_are_killed_during_jobs(flink, trained, tmp_path):
    pairs = tmp_path / "pairs"
    for kind in ("images", "masks"):
        (pairs / kind).mkdir(parents=True)
    random = np.random.default_rng(0)
    mask = trained.folder / "data" / "masks" / "00.png"
    for number in range(6000):  # two batches of several seconds
        pixels = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(pairs / "images" / f"{number:04d}.png", compress_level=0)
        os.link(mask, pairs / "masks" / f"{number:04d}.png")

    def kill_two(home):
        # Rows of the search for changes, which lists and hashes the files; then the first examples.
        for pattern, count in (
            ("listing/*/rows-*/*", 1),
            ("artifacts/ExampleGen/examples/*/Split-*/*", 5),
        ):
            while len(list(home.glob(pattern))) < count:
                time.sleep(0.05)
            replace_busiest_task_manager(flink)

    outputs = []
    for number, beam in enumerate([{"profile": "local"}, flink.beam]):
        (tmp_path / str(number)).mkdir()
        config = config_on(
            beam,
            trained,
            tmp_path / str(number),
            source={"kind": "folder", "path": str(pairs)},
        )
        if beam is flink.beam:
            before = failed_jobs(flink)
            threading.Thread(target=kill_two, args=[config.home], daemon=True).start()
        run(config, "ExampleGen")
        examples = shards(first_artifact(config.home, "ExampleGen/examples"))
        outputs.append((hashed_pairs(config.home), examples))
    assert len(failed_jobs(flink) - before) == 2
    assert outputs[0] == outputs[1]
    assert len(outputs[0][0]) == 6000


def replace_busiest_task_manager(flink):
    """Kills a task manager that works for a job, and starts another one with the same options."""
    workers = httpx.get(f"http://{flink.beam['master']}/taskmanagers").json()["taskmanagers"]
    busiest = min(workers, key=lambda worker: worker["freeSlots"])
    file = flink.folder / f"{busiest['id']}.pid"
    process = int(file.read_text())
    command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[:-1]
    os.kill(process, signal.SIGKILL)
    log = os.open(file.with_suffix(".log"), os.O_WRONLY | os.O_APPEND)
    streams = [(os.POSIX_SPAWN_DUP2, log, stream) for stream in (1, 2)]
    new = os.posix_spawnp(command[0], command, os.environ, file_actions=streams)
    os.close(log)
    file.write_text(f"{new}\n")


def failed_jobs(flink) -> set[str]:
    """Returns the ids of the jobs that Flink had to repeat in part."""
    jobs = f"http://{flink.beam['master']}/jobs"
    ids = [job["id"] for job in httpx.get(jobs).json()["jobs"]]
    return {
        each
        for each in ids
        if httpx.get(f"{jobs}/{each}/exceptions").json()["exceptionHistory"]["entries"]
    }


def hashed_pairs(home) -> list[tuple[object, ...]]:
    """Returns the pairs of the kept list, with the hashes of their files."""
    (folder,) = home.glob("listing/list-*")
    rows = (row for number in range(PARTITIONS) for row in read_list(str(folder), number))
    return [(row.pair, row.image.digest, row.mask.digest) for row in rows]
