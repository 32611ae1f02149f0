"""Makes HTTP clients, whose proxies and certificates come from environment variables."""

import os

import httpx

from data.errors import UnavailableError, one_line

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def http_client(timeout: float | httpx.Timeout, *, verify: bool = True) -> httpx.Client:
    """Makes an HTTP client.

    Args:
      timeout: Time limit for each part of a request, in seconds.
      verify: Whether to verify the certificates of servers.

    Raises:
      UnavailableError: A variable of the environment names a proxy or certificates that cannot be
        used. The message names the variable.
    """
    try:
        return httpx.Client(timeout=timeout, verify=verify)
    except OSError as error:
        # httpx reads the first of the variables that is set.
        first = next((name for name in _CERTIFICATES if os.environ.get(name)), _CERTIFICATES[0])
        raise _unusable((first,), one_line(error.strerror or error)) from error
    except ImportError as error:
        raise _unusable(_PROXIES, "proxies with SOCKS are not supported") from error
    except (ValueError, httpx.InvalidURL) as error:
        raise _unusable(_PROXIES, one_line(error)) from error


def _unusable(names: tuple[str, ...], reason: str) -> UnavailableError:
    # The value may contain a password, so only the name is shown.
    present = [name for name in os.environ if name in names or name.lower() in names]
    variables = " or ".join(sorted(present, key=len)) or " or ".join(names)
    return UnavailableError(
        f"{variables}: the variable of the environment cannot be used ({reason}). Correct or unset "
        "it."
    )
