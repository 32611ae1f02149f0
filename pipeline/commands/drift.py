"""`unetfx drift`: compares logged requests with the training data, and prints what has moved."""

from collections.abc import Sequence

from data.files.finding import is_file
from data.printable import printable
from pipeline.config.config import Config
from pipeline.exit_codes import DONE, FAILED
from pipeline.retraining.drift import find_drift

_MOST_PRINTED = 20  # with many classes, the shares of all move together


def run_drift(config: Config, logs: Sequence[str]) -> int:
    """Prints whether the newest requests differ from the training data, and since when.

    Args:
      config: The config of the pipeline.
      logs: Files and folders of logs.

    Returns:
      The exit code: `DONE`, or `FAILED` if there is drift.

    Raises:
      InputError: There is nothing to compare with, or a log is not usable.
    """
    training, result = find_drift(config, logs)
    newest = result.newest
    days = f"{newest.last}" if newest.first == newest.last else f"{newest.first} to {newest.last}"
    print(f"Log       {result.requests} requests since {result.oldest}")
    if result.without:
        print(f"Left out  {result.without} requests without statistics (model of an older unetfx)")
    print(
        f"Compared  {newest.requests} requests of {days} with the training data of version "
        f"{training.version}"
    )
    moved = list(zip(result.sentences, result.images, strict=True))
    for sentence, images in moved[:_MOST_PRINTED]:
        print(f"Drift     {printable(sentence)}")
        for image in filter(is_file, images):  # the oldest images of a log are removed
            print(f"  image   {printable(image)}")
    if len(moved) > _MOST_PRINTED:
        print(f"          and {len(moved) - _MOST_PRINTED} more numbers")
    if not moved:
        print("No drift  no number differs by more than the schema and chance allow")
    return FAILED if moved else DONE
