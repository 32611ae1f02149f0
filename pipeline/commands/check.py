"""`unetfx check`: runs ExampleGen's data checks on their own, and shows the findings."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.evaluator.gate_text import percent_text
from components.evaluator.lowest_classes import FEW, MOST_LISTED, lowest_classes
from components.evaluator.slice_names import refuse_unknown_columns
from data.checks import Finding, check
from data.config import DataConfig
from data.examples.batches import STAGES, BatchSettings, Ingested, plan_batches
from data.examples.split_counts import SplitCounts, count_splits
from data.files.writing import write_text
from data.jobs.processes import in_processes
from data.jobs.shuffle import run_job
from data.listing.listing import Listing, find_columns
from data.printable import printable
from data.progress import terminal_progress
from pipeline.commands.check_page import write_page
from pipeline.commands.source_listing import source_listing
from pipeline.config.config import Config
from pipeline.config.loading import load_config
from pipeline.execution.console import library_noise_to
from pipeline.exit_codes import BAD_INPUT, DONE

_COLOURS = {"error": "bold red", "skipped": "yellow", "warning": "yellow", "note": "dim"}


def run_check(config_file: Path) -> int:
    """Checks every pair in the same way as ExampleGen, and reports the findings.

    The findings are printed, and are also written to `check/check.json` and `check/index.html` in
    the pipeline's folder.

    Args:
      config_file: Path of the config file.

    Returns:
      The exit code: `DONE` if a run of the pipeline would accept the data, otherwise `BAD_INPUT`.

    Raises:
      InputError: The config is invalid, the data source as a whole cannot be used, or the results
        cannot be written.
      UnavailableError: A process that reads pairs was killed, most likely for lack of memory.
    """
    config = load_config(config_file)
    with library_noise_to(config.home / "logs" / "check.txt") as terminal:
        return _check(config, terminal)


def _check(config: Config, terminal: TextIO) -> int:
    if columns := config.columns_to_slice_by:
        refuse_unknown_columns(columns, find_columns(config.data))
    with source_listing(config) as listing, tempfile.TemporaryDirectory() as scratch:
        ingested = _read(listing, config.data, scratch, terminal)
        findings = check(listing.census, ingested.tally, ingested.repeats, config.data)
        splits = count_splits(ingested, config.data.classes)
        accepted = not any(finding.severity == "error" for finding in findings)
        write_text(
            str(config.check_folder / "check.json"), _as_json(config, accepted, splits, findings)
        )
        page = config.check_folder / "index.html"
        write_page(page, config, accepted, splits, findings, listing)
    _print(config, accepted, splits, findings, page)
    return DONE if accepted else BAD_INPUT


def _read(listing: Listing, data: DataConfig, scratch: str, terminal: TextIO) -> Ingested:
    """Reads all pairs in the same way as ExampleGen, but writes no examples."""
    batches = plan_batches(listing.census.pairs)
    settings = BatchSettings(data, listing, scratch)
    with terminal_progress(Console(file=terminal)) as progress:
        tracked = progress.track(batches, description="Reading pairs")
        return run_job(STAGES, tracked, settings, Ingested(), run_tasks=in_processes)


def _as_json(
    config: Config, accepted: bool, splits: Sequence[SplitCounts], findings: Sequence[Finding]
) -> str:
    content = {
        "name": config.name,
        "accepted": accepted,
        "splits": [
            {
                "name": split.name,
                "pairs": split.pairs,
                "groups": split.groups,
                "shares": dict(zip(config.data.classes, split.shares, strict=True)),
            }
            for split in splits
        ],
        "findings": [finding._asdict() for finding in findings],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _print(
    config: Config,
    accepted: bool,
    splits: Sequence[SplitCounts],
    findings: Sequence[Finding],
    page: Path,
) -> None:
    console = Console(highlight=False)
    console.print(_shares_table(splits, config.data.classes))
    if len(config.data.classes) > MOST_LISTED:
        more = len(config.data.classes) - FEW
        print(f"and {more} classes with larger shares of train: see the page below")
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
    print(f"Pictures  {printable(os.path.relpath(page))}")
    print(f"Details   {printable(os.path.relpath(page.parent / 'check.json'))}")


def _shares_table(splits: Sequence[SplitCounts], classes: Sequence[str]) -> Table:
    """Returns a table of the splits, with a row for each class or for the rarest classes."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("split", overflow="fold")
    for split in splits:
        table.add_column(split.name, justify="right", no_wrap=True)
    table.add_row("pairs", *(str(split.pairs) for split in splits))
    table.add_row("groups", *(str(split.groups) for split in splits))
    for class_id in lowest_classes(splits[0].shares, MOST_LISTED):
        shares = (percent_text(split.shares[class_id]) if split.pairs else "–" for split in splits)
        table.add_row(Text(printable(classes[class_id])), *shares)
    return table
