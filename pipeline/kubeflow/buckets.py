"""Checks that the Google Cloud Storage buckets in a config exist."""

from data.errors import InputError
from pipeline.config.config import Config
from pipeline.kubeflow.requirements import paths

_GCS = "gs://"
_TIMEOUT = 10.0  # time limit for a request, in seconds


def check_buckets(config: Config) -> None:
    """Checks that the buckets in a config exist, if this machine has access to them.

    The check is skipped without credentials, and if the store cannot be reached or denies access,
    because the steps may use a different account and network from those of this machine.

    Args:
      config: The config of the pipeline.

    Raises:
      InputError: A bucket in the config does not exist.
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
        client = storage.Client(project="unetfx")  # the project is required, but has no effect here
        for bucket, key in buckets.items():
            if not client.bucket(bucket).exists(timeout=_TIMEOUT, retry=None):
                raise InputError(
                    f"{key}: there is no bucket gs://{bucket}. Create it, or correct the name."
                )
    except (GoogleAPIError, GoogleAuthError, RequestException):
        return
