"""`unetfx labels --ok` and `--mended`: records a person's verdicts on masks."""

import itertools
from collections.abc import Mapping, Sequence

from components.labels.verdicts import VerdictName, content_hash, record_verdicts
from data.errors import InputError
from data.examples.reading import read_pair
from pipeline.commands.source_listing import source_listing
from pipeline.config.config import Config
from pipeline.history.user import user_name


def record(config: Config, verdicts: Mapping[VerdictName, Sequence[str]]) -> None:
    """Records a person's verdicts on masks, and prints their number.

    Args:
      config: The config of the pipeline.
      verdicts: Keys of the pairs with each verdict.

    Raises:
      InputError: A pair does not exist, has two verdicts or cannot be read, or the verdicts cannot
        be written.
    """
    of_key = {key: verdict for verdict, keys in verdicts.items() for key in keys}
    if len(of_key) < len([*itertools.chain(*verdicts.values())]):
        raise InputError("--ok, --mended: a pair is named twice. Give each pair one verdict.")
    with source_listing(config) as listing:
        pairs = listing.pairs_of(of_key)
    for key, verdict in of_key.items():
        if key not in pairs:
            raise InputError(
                f"--{verdict} {key}: no pair has this name. Copy the name from "
                f"{config.labels_folder / 'labels.csv'}"
            )
    contents: dict[VerdictName, dict[str, str]] = {verdict: {} for verdict in verdicts}
    for key, verdict in of_key.items():
        read = read_pair(pairs[key], config.data)
        if read.record.problem is not None:
            raise read.record.problem
        contents[verdict][content_hash(read.image, read.mask)] = key
    for verdict, keys in contents.items():
        record_verdicts(config.verdicts_file, keys, verdict, user_name())
    print(f"Recorded for {len(of_key)} of the masks: not listed again until image or mask changes.")
