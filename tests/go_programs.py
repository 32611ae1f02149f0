"""Programs that tests use and that are published as Go modules.

`python -m tests.go_programs` builds all of them beforehand.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class UnavailableProgramError(Exception):
    """The program cannot run on this machine; the message gives the reason."""


class GoProgram(NamedTuple):
    """A program that Go builds from a published module.

    Attributes:
      name: Name of the executable file.
      package: Path of the program's package.
      version: Version of the module.
    """

    name: str
    package: str
    version: str

    def fetch(self) -> Path:
        """Returns the path of the executable file.

        The first call builds the program and stores it in the user's cache folder.

        Raises:
          UnavailableProgramError: Go is not installed, or the module cannot be downloaded or built.
        """
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "unetfx")
        program = cache / f"{self.name}-{self.version}" / self.name
        if program.exists():
            return program
        if not shutil.which("go"):
            raise UnavailableProgramError(f"no Go to build {self.name}: apt-get install golang")
        settings = {"GOBIN": str(program.parent), "GOTOOLCHAIN": "auto", "CGO_ENABLED": "0"}
        build = subprocess.run(
            ["go", "install", f"{self.package}@{self.version}"],
            env=os.environ | settings,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if build.returncode:
            raise UnavailableProgramError(f"{self.name} cannot be built: {build.stderr[-500:]}")
        return program


FAKE_GCS_SERVER = GoProgram("fake-gcs-server", "github.com/fsouza/fake-gcs-server", "v1.56.1")
"""An emulator of Google Cloud Storage."""
KUBE_SCORE = GoProgram("kube-score", "github.com/zegl/kube-score/cmd/kube-score", "v1.20.0")
"""Checks objects of Kubernetes for security and reliability."""
KUSTOMIZE = GoProgram("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "v5.7.1")
"""Renders the objects of a folder, as `kubectl apply -k` does."""


def main() -> None:
    """Builds all programs."""
    for program in (FAKE_GCS_SERVER, KUBE_SCORE, KUSTOMIZE):
        try:
            program.fetch()
        except UnavailableProgramError as error:
            print(f"setup: tests that need it are skipped: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
