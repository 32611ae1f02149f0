"""Links a workspace in a bucket to its ML Metadata records, which are on one machine's disk."""

import socket
import uuid

from data.config import Strict
from data.errors import InputError
from data.files.finding import is_file
from data.files.paths import is_remote, join
from data.files.reading import read_text
from data.files.writing import write_text
from pipeline.config.config import Config

_FILE = "records.json"


class RecordsLocation(Strict):
    """Location of a pipeline's ML Metadata records.

    Attributes:
      id: Random ID of the records.
      host: Host name of the machine or container that has the records.
      folder: Local folder that contains the records.
    """

    id: str
    host: str
    folder: str


def link_workspace(config: Config) -> None:
    """Stores the location of the records in a remote workspace, unless one is stored already.

    TFX names the folders of artifacts after the IDs of executions in the records. A run with
    different records would therefore overwrite older artifacts.

    Args:
      config: The config of the pipeline. For a local workspace, which contains its own records, the
        function does nothing.

    Raises:
      InputError: The records of the workspace are in a different folder or on a different machine,
        or the bucket cannot be read or written.
      UnavailableError: The remote file system does not respond.
    """
    if not is_remote(config.workspace):
        return
    local_file, remote_file = str(config.home / _FILE), join(config.root, _FILE)
    if not is_file(local_file):
        location = RecordsLocation(
            id=uuid.uuid4().hex, host=socket.gethostname(), folder=str(config.home)
        )
        write_text(local_file, location.model_dump_json())
    if not is_file(remote_file):
        write_text(remote_file, read_text(local_file))
        return
    stored = RecordsLocation.model_validate_json(read_text(remote_file))
    if stored.id != RecordsLocation.model_validate_json(read_text(local_file)).id:
        raise InputError(
            f"workspace: the records of {config.root} are in {stored.folder} on {stored.host}. Run "
            "there, or choose a different workspace."
        )
