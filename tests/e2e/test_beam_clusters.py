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
from pipeline.retraining.changes import PastRetraining, find_changes, save_retraining

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
      repeated_jobs: Returns the number of jobs that the engine had to repeat in part.
      busy_worker: Returns the name of a worker that works for a job.
      folder: Folder of the cluster.
    """

    beam: dict[str, object]
    jobs_done: Callable[[], int]
    repeated_jobs: Callable[[], int]
    busy_worker: Callable[[], str]
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

        def repeated_jobs():
            jobs = f"http://{master}/jobs"
            exceptions = (
                httpx.get(f"{jobs}/{job['id']}/exceptions").json()["exceptionHistory"]["entries"]
                for job in httpx.get(jobs).json()["jobs"]
            )
            return sum(map(bool, exceptions))

        def busy_worker():
            workers = httpx.get(f"http://{master}/taskmanagers").json()["taskmanagers"]
            return min(workers, key=lambda worker: worker["freeSlots"])["id"]

        options = {"flink_version": "1.19", **job_server(jar, "flink", folder)}
        beam = {"profile": "flink", "master": master, "options": options}
        yield Engine(beam, jobs_done, repeated_jobs, busy_worker, folder)


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """A Spark cluster with two workers."""
    events = tmp_path_factory.mktemp("spark_events")
    (port,) = pick_port(None)
    options = {"eventLog.enabled": "true", "eventLog.dir": events.as_uri(), "ui.port": port}
    settings = [f"-Dspark.{key}={value}" for key, value in options.items()]
    with (
        running("spark", tmp_path_factory.mktemp("spark") / "cluster") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("JAVA_TOOL_OPTIONS", " ".join([JAVA_OPTIONS, *settings]))
        master, page, jar = (
            (folder / key).read_text().strip() for key in ("master", "page", "jar")
        )

        def jobs_done():
            return len(httpx.get(f"{page}/json/").json()["completedapps"])

        def repeated_jobs():
            logs = [file.read_text() for file in events.iterdir()]
            return sum("ExecutorLostFailure" in log or "Resubmitted" in log for log in logs)

        def busy_worker():
            applications = f"http://127.0.0.1:{port}/api/v1/applications"
            while True:
                (application,) = httpx.get(applications).json()
                executors = httpx.get(f"{applications}/{application['id']}/executors").json()
                ids = [each["id"].encode() for each in executors if each["activeTasks"]]
                busy = [b"--executor-id\0%s\0" % each for each in ids]
                for worker in ("worker1", "worker2"):
                    for executor in children(int((folder / f"{worker}.pid").read_text())):
                        if any(option in command_of(executor) for option in busy):
                            return worker

        options = job_server(jar, "spark", folder)
        beam = {"profile": "spark", "master": master, "options": options}
        yield Engine(beam, jobs_done, repeated_jobs, busy_worker, folder)


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


@pytest.mark.parametrize("name", ["flink", "spark"])
def test_a_search_for_changes_finds_the_same_as_in_this_process(name, request, trained, tmp_path):
    engine = request.getfixturevalue(name)
    data = tmp_path / "data"
    shutil.copytree(trained.folder / "data", data)
    configs = []
    for number, beam in enumerate([{"profile": "local"}, engine.beam]):
        (tmp_path / str(number)).mkdir()
        source = {"kind": "folder", "path": str(data)}
        configs.append(config_on(beam, trained, tmp_path / str(number), source=source))
    before = engine.jobs_done()
    for expected in (["24 pairs, the first retraining"], [], ["data"]):
        if expected == ["data"]:
            shutil.copy(data / "images" / "00.png", data / "images" / "01.png")
        local, remote = map(find_changes, configs)
        assert remote.names == local.names == expected
        assert remote.state.data == local.state.data
        for config, changes in zip(configs, (local, remote), strict=True):
            past = PastRetraining(state=changes.state, run="1", outcome="pushed", reasons=[])
            save_retraining(config, past)
    assert engine.jobs_done() == before + 3


@pytest.fixture(scope="module")
def many_pairs(tmp_path_factory, trained):
    """The folder of a data set of two batches, each of which takes several seconds to read."""
    folder = tmp_path_factory.mktemp("pairs")
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    random = np.random.default_rng(0)
    mask = trained.folder / "data" / "masks" / "00.png"
    for number in range(6000):
        pixels = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number:04d}.png", compress_level=0)
        os.link(mask, folder / "masks" / f"{number:04d}.png")
    return folder


def ingest(many_pairs, beam, trained, folder, meanwhile=lambda home: None):
    """Runs ExampleGen while a thread calls `meanwhile`, and returns the list and the examples."""
    source = {"kind": "folder", "path": str(many_pairs)}
    config = config_on(beam, trained, folder, source=source)
    threading.Thread(target=meanwhile, args=[config.home], daemon=True).start()
    run(config, "ExampleGen")
    return hashed_pairs(config.home), shards(first_artifact(config.home, "ExampleGen/examples"))


@pytest.fixture(scope="module")
def undisturbed(many_pairs, trained, tmp_path_factory):
    """The list of pairs and the examples of a run in this process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return ingest(many_pairs, {"profile": "local"}, trained, folder)


@pytest.mark.parametrize("name", ["flink", "spark"])
def test_no_example_is_lost_when_workers_are_killed_during_jobs(
    name, request, many_pairs, undisturbed, trained, tmp_path
):
    engine = request.getfixturevalue(name)
    before = engine.repeated_jobs()

    def kill_two(home):
        # Rows of the search for changes, which lists and hashes the files; then the first examples.
        for pattern, count in (
            ("listing/*/rows-*/*", 1),
            ("artifacts/ExampleGen/examples/*/Split-*/*", 5),
        ):
            while len(list(home.glob(pattern))) < count:
                time.sleep(0.05)
            replace_worker(engine.folder / f"{engine.busy_worker()}.pid")

    pairs, examples = ingest(many_pairs, engine.beam, trained, tmp_path, kill_two)
    assert engine.repeated_jobs() == before + 2
    assert pairs == undisturbed[0]
    assert examples == undisturbed[1]
    assert len(pairs) == 6000


def replace_worker(file):
    """Kills a worker and its processes, and starts another one with the same options.

    Args:
      file: The file with the worker's process id.
    """
    process = int(file.read_text())
    command = command_of(process).split(b"\0")[:-1]
    environment = dict(
        entry.split(b"=", 1)
        for entry in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")[:-1]
    )
    for each in (process, *children(process)):
        os.kill(each, signal.SIGKILL)
    log = os.open(file.with_suffix(".log"), os.O_WRONLY | os.O_APPEND)
    streams = [(os.POSIX_SPAWN_DUP2, log, stream) for stream in (1, 2)]
    new = os.posix_spawnp(command[0], command, environment, file_actions=streams)
    os.close(log)
    file.write_text(f"{new}\n")


def command_of(process) -> bytes:
    """Returns the command of a process and its arguments, each followed by a zero byte."""
    return Path(f"/proc/{process}/cmdline").read_bytes()


def children(process) -> list[int]:
    """Returns the ids of the processes that a process has started."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


def hashed_pairs(home) -> list[tuple[object, ...]]:
    """Returns the pairs of the kept list, with the hashes of their files."""
    (folder,) = home.glob("listing/list-*")
    rows = (row for number in range(PARTITIONS) for row in read_list(str(folder), number))
    return [(row.pair, row.image.digest, row.mask.digest) for row in rows]
