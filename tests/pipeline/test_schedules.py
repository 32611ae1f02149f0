"""The schedules, checked by cron, systemd and the schemas of Kubernetes."""

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from pipeline.commands import cli
from pipeline.exit_codes import BAD_INPUT, NOT_BLESSED

REPOSITORY = Path(__file__).parents[2]
SCHEDULES = REPOSITORY / "pipeline/schedules"
CALENDAR = "30 2 * * *"
CRONTAB = shutil.which("crontab")
SYSTEMD = shutil.which("systemd-analyze")


def parse_with_cron(file):
    return subprocess.run([CRONTAB, "-n", file], capture_output=True, text=True, check=False)


@pytest.mark.skipif(CRONTAB is None, reason="cron is not installed")
def test_cron_accepts_the_table(tmp_path):
    process = parse_with_cron(SCHEDULES / "crontab")
    assert process.returncode == 0, process.stderr
    text = (SCHEDULES / "crontab").read_text()
    broken = tmp_path / "broken"
    broken.write_text(text.replace(CALENDAR, "30 25 * * *"))
    assert text != broken.read_text()
    assert "bad hour" in parse_with_cron(broken).stderr


@pytest.fixture
def units(tmp_path):
    """The units, with the path of this environment's `unetfx` command."""
    for file in SCHEDULES.glob("unetfx-retrain.*"):
        command = Path(sys.executable).parent / "unetfx"
        text = file.read_text().replace("/opt/unetfx/.venv/bin/unetfx", str(command))
        (tmp_path / file.name).write_text(text)
    return tmp_path


@pytest.mark.skipif(SYSTEMD is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(units):
    def verify():
        paths = sorted(units.glob("unetfx-retrain.*"))
        command = [SYSTEMD, "verify", "--man=no", *paths]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def problems(process):
        return [line for line in process.stderr.splitlines() if "unetfx-retrain" in line]

    process = verify()
    assert (process.returncode, problems(process)) == (0, []), process.stderr
    timer = units / "unetfx-retrain.timer"
    timer.write_text(timer.read_text().replace("02:30", "25:30"))
    assert problems(verify())


@pytest.mark.skipif(SYSTEMD is None, reason="systemd is not installed")
def test_the_timer_and_the_crontab_have_the_same_time():
    text = (SCHEDULES / "unetfx-retrain.timer").read_text()
    [calendar] = re.findall(r"^OnCalendar=(.+)$", text, re.MULTILINE)
    process = subprocess.run([SYSTEMD, "calendar", calendar], stdout=subprocess.PIPE, text=True)
    assert "Normalized form: *-*-* 02:30:00" in process.stdout
    assert f"\n{CALENDAR} " in (SCHEDULES / "crontab").read_text()


@pytest.fixture(scope="module")
def objects():
    """The objects in cronjob.yaml: the CronJob and its NetworkPolicy."""
    return list(yaml.safe_load_all((SCHEDULES / "cronjob.yaml").read_text()))


@pytest.fixture(scope="module")
def cron_job(objects):
    return objects[0]


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_kubernetes_accepts_the_cron_job(objects, cron_job, version):
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)
    assert cron_job["spec"]["schedule"] == CALENDAR


def test_kube_score_does_not_object_to_the_cron_job(objects, objections, tmp_path):
    namespace = {"namespace": "blue-marble"}  # `kubectl apply` adds it, too
    placed = [each | {"metadata": each["metadata"] | namespace} for each in objects]
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(placed))
    assert objections(file) == []


def test_the_image_of_the_cron_job_has_the_version_of_the_package(cron_job):
    [container] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["image"].rpartition(":")[2] == metadata.version("unetfx")


def test_the_cron_job_runs_one_job_at_a_time_and_retries_only_unexpected_failures(cron_job):
    job = cron_job["spec"]["jobTemplate"]["spec"]
    [fail, _] = job["podFailurePolicy"]["rules"]
    [container] = job["template"]["spec"]["containers"]
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"
    assert fail["action"] == "FailJob"
    assert fail["onExitCodes"]["containerName"] == container["name"]
    assert fail["onExitCodes"]["values"] == [BAD_INPUT, NOT_BLESSED]
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # podFailurePolicy requires it


def test_tf_serving_reads_the_workspace_of_the_cron_job(cron_job):
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    claim = yaml.safe_load((REPOSITORY / "serving/deploy/kubernetes/claim.yaml").read_text())
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims["runs"] == claim["metadata"]["name"]
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    assert not mounts["runs"].get("readOnly")


def test_every_schedule_runs_the_same_command(cron_job):
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    texts = [(SCHEDULES / name).read_text() for name in ("crontab", "unetfx-retrain.service")]
    texts.append(" ".join(pod["containers"][0]["command"]))
    for text in texts:
        [command] = re.findall(r"unetfx (\w+) --config \S+config\.yaml", text)
        assert command in cli.commands.commands
        assert command == "retrain"
