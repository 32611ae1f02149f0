"""The pipeline on this machine, with data and workspace in a bucket of Google Cloud Storage."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.emulators.gcs import Emulator
from tests.emulators.gcs_proxy import DENIED_BUCKET
from tests.warm_process import UNETFX, Finished, run, start

pytestmark = pytest.mark.slow
UNFINISHED = "ws/discs/artifacts/Trainer/.unfinished/"


class Bucket(NamedTuple):
    """A project in a bucket.

    Attributes:
      gcs: The emulator, in whose bucket `bucket` the project is.
      config: Path of the config file.
      folder: Working folder of the commands.
    """

    gcs: Emulator
    config: Path
    folder: Path

    def unetfx(self, *arguments: object, folder: Path | None = None, **variables: str) -> Finished:
        """Runs a command; `variables` are environment variables."""
        environment = {**self.gcs.environment, **variables}
        words = ["unetfx", *arguments]
        return run(UNETFX, words, environment=environment, folder=folder or self.folder)

    def names(self, prefix: str) -> list[str]:
        """Names of the files below a folder of the bucket."""
        blobs = self.gcs.client.list_blobs("bucket", prefix=prefix)
        return [blob.name for blob in blobs if not blob.name.endswith("/")]

    def changed(self, name: str, **changes: Any) -> Path:
        """Writes the config with other values at keys, of a section where `__` is in the key."""
        config = yaml.safe_load(self.config.read_text())
        for key, value in changes.items():
            section, _, inner = key.partition("__")
            config[section] = {**config[section], inner: value} if inner else value
        (self.folder / name).write_text(yaml.safe_dump(config))
        return self.folder / name


@pytest.fixture(scope="module")
def bucket(
    gcs: Emulator, make_project_in: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Bucket:
    """A project whose data are in the bucket, and whose workspace is `gs://bucket/ws`."""
    folder = tmp_path_factory.mktemp("bucket")
    project = make_project_in(folder / "project", workspace="gs://bucket/ws")
    files = gcs.client.bucket("bucket")
    for path in (project.folder / "data").rglob("*.png"):
        name = str(path.relative_to(project.folder))
        files.blob(name).upload_from_filename(str(path))
    bucket = Bucket(gcs, project.config, folder)
    source = {"kind": "folder", "path": "gs://bucket/data"}
    bucket.changed("project/config.yaml", data__source=source, training__epochs=2)
    return bucket


@pytest.fixture(scope="module")
def retrainings(bucket: Bucket) -> list[Finished]:
    """Three retrainings: the first is killed after an epoch, and the last finds nothing new."""
    output = bucket.folder / "killed.txt"
    arguments = ["unetfx", "retrain", "--config", bucket.config]
    killed = start(
        UNETFX, arguments, output, environment=bucket.gcs.environment, folder=bucket.folder
    )
    while killed.is_alive() and not any("scores.json" in name for name in bucket.names(UNFINISHED)):
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    others = [bucket.unetfx("retrain", "--config", bucket.config) for _ in range(2)]
    return [Finished(killed.exitcode, output.read_text()), *others]


def test_a_killed_retraining_is_resumed_after_its_last_complete_epoch(bucket, retrainings):
    killed, resumed, _ = retrainings
    assert killed.code == -signal.SIGKILL, killed.output
    assert resumed.code == 0, resumed.output
    assert "discs: the previous process died before it had finished" in resumed.output
    assert re.findall(r"epoch (\d)/2", resumed.output) == ["2"]
    assert re.search(r"^ExampleGen .* unchanged$", resumed.output, re.MULTILINE)
    assert bucket.names(UNFINISHED) == []


def test_all_results_are_in_the_bucket_and_the_records_on_this_machine(bucket, retrainings):
    (version,) = re.findall(
        r"^Model +gs://bucket/(ws/discs/serving/discs/\d+)$", retrainings[1].output, re.MULTILINE
    )
    assert f"{version}/saved_model.pb" in bucket.names(version)
    (report,) = re.findall(r"^Report +gs://bucket/(.*)/index.html$", retrainings[1].output, re.M)
    names = bucket.names("ws/discs/reports/")
    assert {"ws/discs/reports/index.html", f"{report}/index.html", f"{report}/metrics.json"} < {
        *names
    }
    assert f"{report}/pictures/0/prediction.png" in names
    home = bucket.folder / "runs/gs/bucket/ws/discs"
    assert {path.name for path in home.iterdir()} == {
        *("lock", "logs", "metadata.db", "records.json", "retrain.json")
    }
    listed = bucket.unetfx("runs", "--config", bucket.config)
    assert version.rpartition("/")[2] in listed.output


def test_without_news_nothing_runs(retrainings):
    assert retrainings[2].code == 0
    assert re.fullmatch(r"discs: nothing new since run .* 24 pairs\.\n", retrainings[2].output)


def test_the_pushed_model_segments_images_of_the_bucket(bucket, retrainings):
    images, out = "gs://bucket/data/images/0[0-3].png", bucket.folder / "masks"
    done = bucket.unetfx("predict", images, "--out", out, "--config", bucket.config)
    assert done.code == 0, done.output
    assert len(re.findall(r"^gs://bucket/.*: ground .*%, disc .*%$", done.output, re.M)) == 4
    assert len(list(out.glob("*_mask.png"))) == 4


def test_a_run_without_the_records_is_refused(bucket, retrainings, tmp_path):
    before = bucket.names("ws/")
    done = bucket.unetfx("run", "--config", bucket.config, folder=tmp_path)
    assert done.code == 2
    assert re.fullmatch(
        r"unetfx: workspace: the records of gs://bucket/ws/discs are in .*runs/gs/bucket/ws/discs "
        r"on .*\. Run there, or choose a different workspace\.\n",
        done.output,
    )
    assert bucket.names("ws/") == before


SILENT = {"https_proxy": "http://127.0.0.1:1"}
MESSAGES = {
    DENIED_BUCKET: rf"gs://{DENIED_BUCKET}/data/images: cannot be read \(The caller does not have ",
    "nowhere": r"gs://nowhere/data/images: no such folder\.",
    "bucket": "https://.*: Google Cloud Storage does not answer",
}


@pytest.mark.parametrize(
    ("command", "name", "variables"),
    [
        ("check", DENIED_BUCKET, {}),
        ("check", "nowhere", {}),
        ("check", "bucket", SILENT),
        ("run", DENIED_BUCKET, {}),
        ("retrain", "bucket", SILENT),
    ],
)
def test_data_that_cannot_be_read_are_one_line(bucket, tmp_path, command, name, variables):
    source = {"kind": "folder", "path": f"gs://{name}/data"}
    config = bucket.changed("bad.yaml", workspace=str(tmp_path), data__source=source)
    done = bucket.unetfx(command, "--config", config, **variables)
    assert done.code == 2
    (line,) = re.findall("^unetfx: .*", done.output, re.M)
    assert re.match(f"unetfx: {MESSAGES[name]}", line)
    assert done.output.endswith(f"{line}\n")


@pytest.mark.parametrize("name", [DENIED_BUCKET, "nowhere"])
def test_a_workspace_that_cannot_be_written_is_one_line(bucket, name):
    config = bucket.changed("bad.yaml", workspace=f"gs://{name}/ws")
    done = bucket.unetfx("run", "--config", config)
    assert done.code == 2
    assert re.fullmatch(rf"unetfx: gs://{name}/ws/discs/records\.json: cannot be .*\n", done.output)
