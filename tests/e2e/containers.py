"""Builds the image and runs containers of it, with podman.

Images and build layers are in the user's cache folder, so a second build takes seconds. One process
at a time uses them; the others wait.
"""

import contextlib
import fcntl
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from tests.warm_process import Finished

REPOSITORY = Path(__file__).parents[2]
IMAGE = "localhost/unetfx:latest"
LIMITS = ["--network=none", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"]
"""Options of `podman run` for containers that may do nothing but read and write their mounts."""
_UNAVAILABLE = 2  # exit code of scripts/image.sh if this machine cannot build images at all
_RUN = "/run/unetfx-containers"
# The limits of processes are named, since a machine may not let podman raise them.
_SETTINGS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[network]
network_backend = "netavark"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{run}/libpod"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{run}/storage"
[storage.options.overlay]
skip_mount_home = "true"
"""


class UnavailableEngineError(Exception):
    """This machine cannot build the image or run containers of it."""


class Engine:
    """Podman, with images of its own.

    Attributes:
      folder: Folder with the images and the settings of podman.
      environment: Environment variables for podman, and for programs that call podman.
    """

    def __init__(self, folder: Path) -> None:
        """Writes podman's settings into a folder, which also gets the images."""
        files = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
        settings = _SETTINGS.format(
            files=_limit(resource.RLIMIT_NOFILE, 4096),
            processes=_limit(resource.RLIMIT_NPROC, 16384),
            run=_RUN,
        )
        (folder / files["CONTAINERS_CONF"]).write_text(settings)
        storage = _STORAGE.format(folder=folder, run=_RUN)
        (folder / files["CONTAINERS_STORAGE_CONF"]).write_text(storage)
        self.environment = {name: str(folder / file) for name, file in files.items()}
        self.folder = folder

    def podman(self, *arguments: object, check: bool = True, text: str | None = None) -> Finished:
        """Runs a command of podman.

        Args:
          *arguments: The command and its arguments.
          check: Whether the command must succeed.
          text: Standard input.
        """
        return self.program("podman", *arguments, check=check, text=text)

    def program(
        self,
        *words: object,
        check: bool = True,
        text: str | None = None,
    ) -> Finished:
        """Runs a program that may call podman; the arguments are the same as for `podman`."""
        process = subprocess.run(
            [*map(str, words)],
            env=os.environ | self.environment,
            cwd=self.folder,  # where podman's helper leaves a file if memory is full
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not (check and process.returncode), f"{words}\n{process.stdout[-3000:]}"
        return Finished(process.returncode, process.stdout)

    def run(self, *command: object, options: Sequence[object] = (), check: bool = True) -> Finished:
        """Runs a command in a new container, with a read-only root and without network or rights.

        Args:
          *command: The command and its arguments.
          options: Further options of `podman run`.
          check: Whether the command must succeed.
        """
        return self.podman(
            "run", "--rm", "--no-healthcheck", *LIMITS, *options, IMAGE, *command, check=check
        )

    def inspect(self, name: str, kind: str = "container") -> dict:
        """Returns what podman knows about a container, an image or a pod."""
        [description] = json.loads(self.podman(kind, "inspect", name).output)
        return description

    def play(self, objects: Sequence[dict], claims: Mapping[str, Path]) -> None:
        """Runs objects of Kubernetes.

        Args:
          objects: The objects.
          claims: Folder of this machine for each claim that the objects mount.
        """
        for name, folder in claims.items():
            options = ["--opt=type=none", "--opt=o=bind", f"--opt=device={folder}"]
            self.podman("volume", "create", *options, name)
        self.podman("kube", "play", "-", text=yaml.safe_dump_all(objects))

    def remove_all(self) -> None:
        """Ends and removes all pods, containers and volumes."""
        for kind in ("pod", "container", "volume"):
            self.podman(kind, "rm", "--all", "--force", check=False)


class Step:
    """A step of a pipeline in a container of its own, which has only what the launcher gives it.

    Attributes:
      exitcode: Exit code of the container; None before `join`.
    """

    def __init__(
        self,
        engine: Engine,
        options: Sequence[str],
        command: Sequence[str],
        environment: Mapping[str, str],
        mounts: Mapping[str, Path],
        log: Path,
    ) -> None:
        """Starts the container.

        Args:
          engine: The engine.
          options: Options of `podman run`.
          command: Command and arguments of the step.
          environment: All environment variables besides those of the image.
          mounts: Folders and files of this machine, by path in the container.
          log: File for the output of the step.
        """
        self.exitcode: int | None = None
        words = ["podman", "run", "--rm", "--no-healthcheck", *options]
        words += [f"--env={name}={value}" for name, value in environment.items()]
        words += [f"--volume={source}:{path}" for path, source in mounts.items()]
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [*words, IMAGE, *command],
                env=os.environ | engine.environment,
                cwd=engine.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def join(self) -> None:
        """Waits for the end of the container."""
        self.exitcode = self._process.wait()


def config_map(name: str, **files: str) -> dict:
    """Returns a ConfigMap of Kubernetes with the given files."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files}


@contextlib.contextmanager
def running_engine() -> Iterator[Engine]:
    """Builds the image and yields the engine; afterwards, no container is left.

    Raises:
      UnavailableEngineError: This machine cannot build the image or run containers of it.
    """
    if os.geteuid():
        raise UnavailableEngineError("the tests run containers as root only")
    for program in ("podman", "runc", "netavark", "iptables"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/podman"):
            raise UnavailableEngineError(f"needs {program} (apt-get install {program})")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        raise UnavailableEngineError("this process has no right to mount folders")
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "unetfx/containers")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Podman keeps containers when a test run is killed. As no other run holds the lock, all
        # containers are from such a run.
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine = Engine(folder)
        engine.remove_all()
        build = engine.program(REPOSITORY / "scripts/image.sh", check=False)
        if build.code == _UNAVAILABLE:
            raise UnavailableEngineError(build.output.splitlines()[-1])
        assert build.code == 0, build.output[-3000:]
        engine.podman("image", "prune", "--force")  # layers of earlier versions
        started = engine.run("true", check=False)
        if started.code:
            raise UnavailableEngineError(f"podman cannot run containers here: {started.output}")
        try:
            yield engine
        finally:
            engine.remove_all()


def _limit(kind: int, enough: int) -> int:
    """Returns a limit that is enough for a container, and no higher than that of this process."""
    _, limit = resource.getrlimit(kind)
    return enough if limit == resource.RLIM_INFINITY else min(limit, enough)
