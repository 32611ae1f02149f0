"""`unetfx init`: writes a config for a folder of images and masks."""

import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.errors import InputError
from data.files.writing import new_file
from data.printable import printable, shell_path
from pipeline.config.config import fault_of_workspace
from pipeline.planning.config_text import config_text
from pipeline.planning.duration import with_duration
from pipeline.planning.plan import WORKSPACE, Plan, name_of, plan_config

_MOST_PROBLEMS = 3


def write_config(folder: Path, out: Path | None) -> None:
    """Plans a config for a folder, writes it, and prints what was seen and decided.

    Args:
      folder: Folder with the images and masks.
      out: Path of the config file; None for the name of the folder in the current folder.

    Raises:
      InputError: The arrangement of the files is not known, the masks do not hold classes, the
        config file exists already or cannot be written, or the current folder cannot have a
        workspace.
    """
    path = out or Path(f"{name_of(folder)}.yaml")
    _refuse_existing(path)
    if fault := fault_of_workspace(str(Path(WORKSPACE).absolute())):
        raise InputError(
            f"workspace: {fault}. Start init in a folder without these characters in its path; the "
            "data may be anywhere."
        )
    plan = plan_config(folder)
    print("Timing one training step …", file=sys.stderr, flush=True)
    plan = with_duration(plan)
    with new_file(str(path)) as file:
        file.write(config_text(plan).encode())
        _refuse_existing(path)
    _print(plan, path)


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise InputError(
            f"{path}: the file exists already, and init never overwrites. Choose another name with "
            "--out."
        )


def _print(plan: Plan, path: Path) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    for decision in plan.decisions:
        cells = (decision.subject, decision.seen, decision.decided)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    Console(highlight=False).print(table)
    for problem in plan.problems[:_MOST_PROBLEMS]:
        print(f"! {printable(problem)}")
    if len(plan.problems) > _MOST_PROBLEMS:
        print(f"! … and {len(plan.problems) - _MOST_PROBLEMS} more: unetfx check shows all.")
    config = f"--config {shell_path(path)}"
    print(f"Wrote {printable(path)}. Look at it, then: unetfx check {config}")
