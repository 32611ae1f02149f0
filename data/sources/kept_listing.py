"""The listing of a source that is kept for the next one, so that unchanged files are not read."""

import re
import uuid

from data.config import DataConfig
from data.files import is_file, join, read_text, remove_folder, write_text
from data.sources.listing import Listing, RunJob, list_pairs

# File with the name of the folder of the newest listing. The number is the version of the list's
# format: a new version does not find older lists.
_NEWEST = "newest-1"


def update_listing(
    data: DataConfig, folder: str, run_job: RunJob, *, name: str, own_folder: str
) -> Listing:
    """Lists the pairs of a source and hashes their contents, and keeps the list.

    Files whose size and times are the same as in the kept list are not read. A file with the same
    size and modification time but other contents is detected by its change time, which only the
    file system sets.

    Args:
      data: The `data` section of the config.
      folder: Folder of the kept listing, local or remote.
      run_job: Runs the job that lists the source.
      name: Name of the pipeline, which names the data set if the source does not.
      own_folder: Folder in which the sources `sample` and `tfds` write their images and masks.

    Returns:
      The listing, with the fingerprint of the contents.

    Raises:
      InputError: The source as a whole cannot be used; the kept list is unchanged.
    """
    earlier = _newest(folder)
    new = f"list-{uuid.uuid4().hex}"
    try:
        listing = list_pairs(
            data,
            join(folder, new),
            run_job,
            name=name,
            own_folder=own_folder,
            earlier=earlier and join(folder, earlier),
            hashed=True,
        )
    except BaseException:
        remove_folder(join(folder, new))
        raise
    write_text(join(folder, _NEWEST), new)
    if earlier:
        remove_folder(join(folder, earlier))
    return listing


def _newest(folder: str) -> str | None:
    path = join(folder, _NEWEST)
    name = read_text(path) if is_file(path) else ""
    return name if re.fullmatch(r"list-[0-9a-f]{32}", name) else None
