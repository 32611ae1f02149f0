"""`unetfx check`: runs the checks of the ingestion without a pipeline and shows the findings."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.evaluator.slice_names import refuse_unknown_columns
from data.checks import Finding, check
from data.config import SPLITS, DataConfig
from data.examples.reading import read_records
from data.examples.records import Record
from data.processes import in_processes
from data.progress import terminal_progress
from data.sources.pairs import Pair, find_columns, find_pairs
from pipeline.commands.check_page import Split, write_page
from pipeline.config.config import Config
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to
from pipeline.exit_codes import BAD_INPUT, DONE

_PAIRS_PER_TASK = 32
_COLOURS = {"error": "bold red", "skipped": "yellow", "warning": "yellow", "note": "dim"}


def run_check(config_file: Path) -> int:
    """Checks every pair as the ingestion does, and reports the findings.

    The findings are printed, and written to `check/check.json` and `check/index.html` in the folder
    of the pipeline.

    Args:
      config_file: Path of the config file.

    Returns:
      The exit code: `DONE` if a run of the pipeline would accept the data, otherwise `BAD_INPUT`.

    Raises:
      InputError: The config is wrong, or the source is missing.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "check.txt") as terminal:
        return _check(config, terminal)


def _check(config: Config, terminal: TextIO) -> int:
    if columns := config.columns_to_slice_by:
        refuse_unknown_columns(columns, find_columns(config.data))
    source = find_pairs(config.data, name=config.name, folder=str(config.source_folder))
    records = _read(source.pairs, config.data, terminal)
    findings = check(records, source, config.data)
    splits = _splits(records, config.data.classes)
    accepted = not any(finding.severity == "error" for finding in findings)
    config.check_folder.mkdir(parents=True, exist_ok=True)
    (config.check_folder / "check.json").write_text(_as_json(config, accepted, splits, findings))
    page = config.check_folder / "index.html"
    write_page(page, config, accepted, splits, findings, {r.pair.key: r.pair for r in records})
    _print(config, accepted, splits, findings, page)
    return DONE if accepted else BAD_INPUT


def _read(pairs: Sequence[Pair], data: DataConfig, terminal: TextIO) -> list[Record]:
    with terminal_progress(Console(file=terminal)) as progress:
        tasks = [pairs[i : i + _PAIRS_PER_TASK] for i in range(0, len(pairs), _PAIRS_PER_TASK)]
        results = in_processes(read_records, tasks, data)
        tracked = progress.track(results, len(tasks), description="Reading pairs")
        return [record for records in tracked for record in records]


def _splits(records: Sequence[Record], classes: Sequence[str]) -> list[Split]:
    splits = []
    for name in SPLITS:
        usable = [r for r in records if r.statistics is not None and r.pair.split == name]
        pixels = [0.0] * len(classes)
        for record in usable:
            if record.statistics is not None:
                size = (
                    record.statistics.height * record.statistics.width * record.statistics.labelled
                )
                for class_id, share in enumerate(record.statistics.fractions):
                    pixels[class_id] += share * size
        total = sum(pixels) or 1.0
        shares = dict(zip(classes, (count / total for count in pixels), strict=True))
        splits.append(Split(name, len(usable), len({r.pair.group for r in usable}), shares))
    return splits


def _as_json(
    config: Config, accepted: bool, splits: Sequence[Split], findings: Sequence[Finding]
) -> str:
    content = {
        "name": config.name,
        "accepted": accepted,
        "splits": [split._asdict() for split in splits],
        "findings": [finding._asdict() for finding in findings],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _print(
    config: Config,
    accepted: bool,
    splits: Sequence[Split],
    findings: Sequence[Finding],
    page: Path,
) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("split")
    for heading in ("pairs", "groups", *config.data.classes):
        table.add_column(heading, justify="right")
    for split in splits:
        shares = [f"{share:.1%}" if split.pairs else "–" for share in split.shares.values()]
        table.add_row(split.name, str(split.pairs), str(split.groups), *shares)
    console.print(table)
    console.print()
    if findings:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in findings:
            severity = Text(finding.severity, _COLOURS[finding.severity])
            table.add_row(severity, Text(finding.line()))
        console.print(table)
    verdict = "[bold green]Good[/]: a run would accept these data."
    if not accepted:
        verdict = "[bold red]Bad[/]: a run would stop here."
    console.print(verdict)
    console.print(f"Pictures  {os.path.relpath(page)}", soft_wrap=True)
    console.print(f"Details   {os.path.relpath(page.parent / 'check.json')}", soft_wrap=True)
