"""Health check of the container image, for all of its commands."""

import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

_COMMAND_LINE = Path("/proc/1/cmdline")  # of the first process of the container
_SECONDS = 5


def check(command: Sequence[str]) -> str | None:
    """Checks the process of a container.

    Args:
      command: Command line of the first process of the container.

    Returns:
      None if the container is healthy, or the problem. The local server is healthy if it serves a
      version. Any other command is healthy as long as it runs.
    """
    words = [word for argument in command for word in argument.split("=", 1)]
    if "serve" not in words:
        return None
    host = _option(words, "--host", "127.0.0.1")
    # A server that listens on all addresses of the container also listens on its loopback address.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    address = f"[{host}]" if ":" in host else host
    url = f"http://{address}:{_option(words, '--rest-port', '8501')}/readyz"
    try:
        urllib.request.urlopen(url, timeout=_SECONDS).close()
    except urllib.error.HTTPError as error:
        with error:
            return f"{url}: {error.read().decode().strip()}"
    except OSError as error:
        return f"{url}: no answer ({error})"
    return None


def main() -> None:
    """Exits with code 1 and the problem if the container of this process is not healthy."""
    command = _COMMAND_LINE.read_bytes().decode(errors="replace").split("\0")
    sys.exit(check(command))


def _option(words: Sequence[str], name: str, default: str) -> str:
    return words[words.index(name) + 1] if name in words[:-1] else default


if __name__ == "__main__":
    main()
