"""The commands of the Dockerfile, run in a clean Debian 13 without a container engine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
RELEASE = {"debian:trixie-slim": "trixie"}
CERTIFICATES = "/etc/host_certificates.crt"


def instructions(text):
    """Yields the name and the arguments of each instruction of a Dockerfile.

    Comments are left out, and continued lines are joined.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    for line in joined.splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name, rest.strip()


class Root:
    """A folder with a clean Debian, in which the instructions of a Dockerfile are executed."""

    def __init__(self, folder, caches):
        self.folder, self.caches = folder, caches
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.arguments, self.user, self.working_folder = {}, None, "/"
        self.command = None

    def execute(self, name, rest):
        getattr(self, f"_{name.lower()}")(rest)

    def run(self, command, mounts=()):
        """Runs a command as the user of the image and returns its output.

        Args:
          command: The shell command.
          mounts: Paths in the image at which the package cache of this machine is mounted.
        """
        root = shlex.quote(str(self.folder))
        steps = [f"mount --rbind /dev {root}/dev", f"mount -t proc proc {root}/proc"]
        for target in mounts:
            (self.folder / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
            steps.append(f"mount --bind {shlex.quote(self.caches)} {root}{target}")
        environment = self._package_settings() | self.arguments | self.environment
        words = ["chroot", *([f"--userspec={self.user}"] if self.user else []), str(self.folder)]
        words += ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items())]
        steps.append(
            shlex.join([*words, "/bin/sh", "-c", f"cd {self.working_folder} && {command}"])
        )
        process = subprocess.run(
            ["unshare", "--mount", "--fork", "sh", "-c", " && ".join(steps)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert process.returncode == 0, f"{command}\n{process.stdout[-3000:]}"
        return process.stdout

    def _package_settings(self):
        """Returns the environment variables of package clients, and copies their settings.

        They give the image the network access that a container engine would provide.
        """
        names = re.compile(r"(?i)^(pip|uv)_(?!find_links|cache_dir)|_proxy$")
        variables = {name: value for name, value in os.environ.items() if names.search(name)}
        bundle = os.environ.get("SSL_CERT_FILE")
        if bundle:
            shutil.copy(bundle, self.folder / CERTIFICATES.lstrip("/"))
            names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
            variables |= dict.fromkeys(names, CERTIFICATES)
        for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf"):
            if Path(path).exists():
                shutil.copy(path, self.folder / path.lstrip("/"))
        return variables

    def _from(self, rest):
        assert rest in RELEASE
        self.folder.chmod(0o755)  # only the owner may enter pytest's folders
        mirrors = sorted(
            set(
                re.findall(
                    r"^'(\S+)/dists/\S+/InRelease'",
                    _output("apt-get", "--print-uris", "update"),
                    re.M,
                )
            )
        )
        for mirror in mirrors:
            process = subprocess.run(
                ["debootstrap", "--variant=minbase", RELEASE[rest], self.folder, mirror],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if process.returncode == 0:
                return
        pytest.skip(f"no Debian 13 from this machine's mirrors: {process.stdout[-300:]}")

    def _arg(self, rest):
        name, _, value = rest.partition("=")
        self.arguments[name] = value

    def _env(self, rest):
        self.environment |= dict(word.split("=", 1) for word in shlex.split(rest))

    def _workdir(self, rest):
        self.working_folder = rest
        (self.folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _copy(self, rest):
        *sources, target = rest.split()
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        for source in sources:
            destination = self.folder / self.working_folder.lstrip("/") / target
            if (REPOSITORY / source).is_dir():
                shutil.copytree(REPOSITORY / source, destination, ignore=ignored)
            else:
                shutil.copy(REPOSITORY / source, destination)

    def _run(self, rest):
        mounts = re.findall(r"--mount=type=cache,target=(\S+)", rest)
        self.run(re.sub(r"--mount=\S+", "", rest).strip(), mounts)

    def _user(self, rest):
        self.user = rest

    def _cmd(self, rest):
        self.command = rest


def _output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The root folder of the CPU image that the Dockerfile builds."""
    if os.geteuid() or not shutil.which("debootstrap"):
        pytest.skip("needs root and debootstrap (apt-get install debootstrap)")
    caches = _output(Path(sys.executable).parent / "uv", "cache", "dir").strip()
    root = Root(tmp_path_factory.mktemp("image"), caches)
    try:
        for name, rest in instructions((REPOSITORY / "Dockerfile").read_text()):
            root.execute(name, rest)
        yield root
    finally:
        shutil.rmtree(root.folder, ignore_errors=True)


@pytest.mark.timeout(1500)
def test_a_step_starts_in_the_image_and_is_not_root(image):
    assert image.user == "1000"
    assert image.run("id -u").strip() == "1000"
    output = image.run(
        "python -m pipeline.kubeflow.step"
        " --executor_class_path components.evaluator.component.Executor"
        " --json_serialized_invocation_args '{}' 2>&1 || true"
    )
    assert "KeyError: 'settings'" in output, output[-2000:]


def test_the_image_has_the_command_unetfx(image):
    assert "review" in image.run("unetfx --help")


def test_the_image_has_no_development_tools(image):
    packages = {line.split("==")[0] for line in image.run("uv pip freeze").splitlines()}
    groups = (REPOSITORY / "pyproject.toml").read_text().partition("[dependency-groups]")[2]
    tools = set(re.findall(r"^    [\"']([\w-]+)", groups.partition("\n]")[0], re.M))
    assert "pytest" in tools
    assert "tensorflow" in packages
    tools.remove("docstring-parser")  # kfp needs it too
    assert not packages & {tool.lower() for tool in tools}


def test_the_gpu_image_has_the_cuda_libraries_that_tensorflow_requires(image):
    installed = image.run(
        "cd /opt/unetfx && uv pip install --dry-run -c requirements.lock -r pyproject.toml"
        " --extra gpu 2>&1"
    )
    required = image.run(
        'python -c "from importlib.metadata import requires; '
        "print(*[line for line in requires('tensorflow') if 'and-cuda' in line], sep='\\n')\""
    )
    for name in re.findall(r"^(nvidia-[a-z0-9-]+)", required, re.M):
        assert f"+ {name}==" in installed


def test_the_build_context_has_only_files_that_are_copied():
    copied = {
        source
        for name, rest in instructions((REPOSITORY / "Dockerfile").read_text())
        if name == "COPY"
        for source in rest.split()[:-1]
    }
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert "*" in lines
