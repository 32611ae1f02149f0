"""Checks that Google Cloud Storage buckets exist."""

from collections.abc import Iterable

from data.errors import InputError

_GCS = "gs://"
_TIMEOUT = 10.0  # time limit for a request, in seconds


def check_buckets(paths: Iterable[tuple[str, str]]) -> None:
    """Checks that the buckets of paths exist, if this machine has access to them.

    The check is skipped without credentials, and if the store cannot be reached or denies access,
    because the steps may use a different account and network from those of this machine.

    Args:
      paths: Pairs of a name for the error message, such as the key in the config, and a path. Paths
        outside Google Cloud Storage are ignored.

    Raises:
      InputError: A bucket does not exist.
    """
    buckets = {
        path.removeprefix(_GCS).partition("/")[0]: name
        for name, path in paths
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
        for bucket, name in buckets.items():
            if not client.bucket(bucket).exists(timeout=_TIMEOUT, retry=None):
                raise InputError(
                    f"{name}: there is no bucket gs://{bucket}. Create it, or correct the name."
                )
    except (GoogleAPIError, GoogleAuthError, RequestException):
        return
