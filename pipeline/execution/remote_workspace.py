"""A workspace in a bucket, whose records in ML Metadata are on the local disk of one machine."""

import socket
import uuid

from data.config import Strict
from data.errors import InputError
from data.files import is_file, is_remote, join, read_text, write_text
from pipeline.config.config import Config

_FILE = "records.json"


class RecordsPlace(Strict):
    """The place of a pipeline's records.

    Attributes:
      id: Random id of the records.
      host: Name of the machine or container.
      folder: Local folder with the records.
    """

    id: str
    host: str
    folder: str


def claim_workspace(config: Config) -> None:
    """Notes in a remote workspace where its records are, and refuses to run without them.

    TFX numbers the folders of artifacts by ids from the records. With other records, a run would
    write into the folders of older artifacts.

    Args:
      config: The config of the pipeline. A local workspace contains its records, and nothing is
        done.

    Raises:
      InputError: The records of the workspace are in another folder or on another machine, or the
        bucket cannot be read or written.
    """
    if not is_remote(config.workspace):
        return
    here, there = str(config.home / _FILE), join(config.root, _FILE)
    if not is_file(here):
        place = RecordsPlace(
            id=uuid.uuid4().hex, host=socket.gethostname(), folder=str(config.home)
        )
        write_text(here, place.model_dump_json())
    if not is_file(there):
        write_text(there, read_text(here))
        return
    noted = RecordsPlace.model_validate_json(read_text(there))
    if noted.id != RecordsPlace.model_validate_json(read_text(here)).id:
        raise InputError(
            f"workspace: the records of {config.root} are in {noted.folder} on {noted.host}. Run "
            "there, or choose another workspace."
        )
