"""Keeps the list of pairs between runs, so that unchanged files are not read again."""

import re
import uuid

from data.config import DataConfig
from data.files.finding import is_file
from data.files.paths import join
from data.files.reading import read_text
from data.files.removing import remove_folder
from data.files.writing import write_text
from data.listing.listing import Listing, RunJob, list_pairs

# Name of the file that contains the name of the newest list's folder. The number in the file name
# is the version of the list's format, so that lists in an older format are ignored.
_NEWEST = "newest-1"


def update_listing(
    data: DataConfig, folder: str, run_job: RunJob, *, name: str, own_folder: str
) -> Listing:
    """Lists the pairs of a source, hashes the contents of their files, and keeps the list.

    A file is read only if its size or its time stamps differ from those in the kept list. One of
    the time stamps is the change time (see `FileState`), which every change of the content updates
    and which programs cannot set.

    Args:
      data: The `data` section of the config.
      folder: Folder in which the list is kept, local or remote. It may be empty or missing.
      run_job: Function that runs the job that lists the pairs.
      name: Name of the pipeline, which is also the name of the data set if the source gives none.
      own_folder: Folder to which some kinds of sources write image and mask files once.

    Returns:
      The list of pairs and the counts, which include the fingerprint of the data.

    Raises:
      InputError: The source as a whole cannot be used, or the list cannot be written. In these
        cases, the kept list is unchanged.
      UnavailableError: The remote file system does not respond, or a worker process was killed.
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
