"""Simulates a pod: a process whose file system contains only selected folders of the machine."""

import ctypes
import importlib
import json
import os
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_SHARED_MEMORY = b"size=64m"  # the default size of /dev/shm in a pod on Kubernetes
REPOSITORY = Path(__file__).parents[2]
DESCRIPTION = "POD"
"""Name of the environment variable with the description of the pod, as JSON."""


def describe(root: Path, entry_point: str, mounts: dict[str, Path]) -> str:
    """Returns the value of the environment variable `DESCRIPTION` for the process of a pod.

    Args:
      root: Empty folder for the root of the pod's file system.
      entry_point: Function to run in the pod, in the form `module:function`.
      mounts: Folders and files of the machine, by their absolute paths in the pod. The pod also
        contains the repository and the system's folders, except for /tmp, which is empty.
    """
    return json.dumps([str(root), entry_point, {path: str(at) for path, at in mounts.items()}])


def main():
    """Creates the pod that the environment variable describes, and runs the pod's entry point."""
    root, entry_point, mounts = json.loads(os.environ.pop(DESCRIPTION))
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    root = Path(root)
    own = dict.fromkeys(("/tmp", "/dev", "/dev/shm"))
    mounts = own | {str(REPOSITORY): str(REPOSITORY)} | mounts
    _mirror(Path("/"), root, hidden=mounts)
    _mirror(Path("/dev"), root / "dev", hidden=mounts)
    for path, source in mounts.items():
        target = root / path.lstrip("/")
        if source:
            _bind(Path(source), target)
        else:
            target.mkdir(exist_ok=True)
    _call("mount", b"tmpfs", bytes(root / "dev/shm"), b"tmpfs", 0, _SHARED_MEMORY)
    os.chroot(root)
    os.chdir("/tmp")
    module, _, function = entry_point.partition(":")
    return getattr(importlib.import_module(module), function)()


def _mirror(source, target, hidden):
    """Mounts each entry of a folder, except for hidden paths, under its name in another folder."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        if entry.is_symlink():
            (target / entry.name).symlink_to(entry.readlink())
        elif str(entry) not in hidden and entry.exists():
            _bind(entry, target / entry.name)


def _bind(source, target):
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _call("mount", bytes(source), bytes(target), None, _MS_BIND | _MS_REC, None)


def _call(name, *arguments):
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, f"{name} {arguments}: {os.strerror(error)}")
