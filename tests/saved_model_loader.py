"""Builds and runs the program in `saved_model_loader.cc`, which has TensorFlow but no Python."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

COMPILER = "g++"


class Loaded(NamedTuple):
    """Outcome of the program.

    Attributes:
      masks: Contents of the masks, in the order of the images; only those before the failure.
      warm_ups: Signatures of the warm-up requests that the model answered.
      libraries: Names of the files that were mapped into the memory of the process.
      problem: Standard error of a process that failed, or None.
    """

    masks: list[bytes]
    warm_ups: list[str]
    libraries: set[str]
    problem: str | None


class MissingCompilerError(Exception):
    """This machine has no compiler; the message names the package that has one."""


class Loader:
    """The program, built in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Builds the program with the headers and libraries of TensorFlow's Python package.

        Args:
          folder: Empty folder for the program, and for its images and masks.

        Raises:
          MissingCompilerError: This machine has no C++ compiler.
        """
        if not shutil.which(COMPILER):
            raise MissingCompilerError(f"no C++ compiler: apt-get install {COMPILER}")
        import tensorflow as tf  # takes seconds, which tests without this program need not wait

        self._folder, self._program = folder, folder / "saved_model_loader"
        source = Path(__file__).with_suffix(".cc")
        options = [*tf.sysconfig.get_compile_flags(), *tf.sysconfig.get_link_flags()]
        options += [f"-Wl,-rpath,{tf.sysconfig.get_lib()}", "-Wl,--allow-shlib-undefined"]
        subprocess.run([COMPILER, "-o", self._program, source, *options], check=True)

    def run(self, model: Path, images: Sequence[bytes]) -> Loaded:
        """Loads a model and segments images.

        Args:
          model: Folder of a SavedModel.
          images: Contents of image files.
        """
        files = [self._folder / str(i) for i in range(len(images))]
        masks = [file.with_suffix(".mask") for file in files]
        for file, mask, image in zip(files, masks, images, strict=True):
            file.write_bytes(image)
            mask.unlink(missing_ok=True)
        process = subprocess.run(
            [self._program, model, *files], capture_output=True, text=True, check=False
        )
        assert process.returncode in (0, 1), process.stderr
        lines = process.stdout.splitlines()
        return Loaded(
            [mask.read_bytes() for mask in masks if mask.exists()],
            [line for line in lines if " " not in line],
            {Path(line).name for line in lines if "/" in line},
            process.stderr if process.returncode else None,
        )
