"""Lists the pairs of a config's source for commands that read them without a run."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.example_gen.listing_job import listing_job
from data.listing.listing import Listing, list_pairs
from pipeline.config.config import Config


@contextmanager
def source_listing(config: Config) -> Iterator[Listing]:
    """Lists the pairs as ExampleGen does, without hashing the files.

    Args:
      config: The config of the pipeline.

    Yields:
      The list, whose files are removed when the context ends.

    Raises:
      InputError: The source as a whole cannot be used.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = str(Path(scratch, "listing"))
        yield list_pairs(
            config.data,
            folder,
            listing_job(config.data.source, (), folder),
            name=config.name,
            own_folder=str(config.source_folder),
        )
