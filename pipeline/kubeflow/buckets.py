"""Checks that the buckets of the config exist."""

from data.errors import InputError
from pipeline.config.config import Config
from pipeline.kubeflow.requirements import paths

_GCS = "gs://"
_TIMEOUT = 10.0  # time limit of a request in seconds


def check_buckets(config: Config) -> None:
    """Checks that the buckets of the config exist, if this machine has credentials for them.

    The steps have another account and another network than this machine. So if the store does not
    answer or denies access here, nothing is refused.

    Args:
      config: The config of the pipeline.

    Raises:
      InputError: A bucket does not exist.
    """
    buckets = {
        path.removeprefix(_GCS).partition("/")[0]: key
        for key, path in paths(config)
        if path.startswith(_GCS)
    }
    if not buckets:
        return
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import storage
    from requests import RequestException

    try:
        client = storage.Client(project="unetfx")  # a name is required, and not used here
        for bucket, key in buckets.items():
            if not client.bucket(bucket).exists(timeout=_TIMEOUT, retry=None):
                raise InputError(
                    f"{key}: there is no bucket gs://{bucket}. Create it, or correct the name."
                )
    except (GoogleAPIError, GoogleAuthError, RequestException):
        return
