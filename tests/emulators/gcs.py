"""An emulator of Google Cloud Storage that also works for programs with a fixed server address.

fake-gcs-server, a Go module, keeps the objects in memory. Requests reach it through the proxy in
`gcs_proxy.py`. TensorFlow always sends requests to `https://www.googleapis.com`, but its HTTP
library uses the proxy in the environment variable `https_proxy`. The emulator therefore needs
neither root permissions nor an entry in /etc/hosts.
"""

import datetime
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.go_programs import FAKE_GCS_SERVER, UnavailableProgramError

if TYPE_CHECKING:
    from google.cloud import storage

_PROXY = Path(__file__).with_name("gcs_proxy.py")
_CREDENTIALS = {
    "type": "authorized_user",
    "client_id": "tests",
    "client_secret": "tests",
    "refresh_token": "tests",
}


class Emulator:
    """A running emulator.

    Attributes:
      url: URL of fake-gcs-server itself, which uses HTTP without TLS and requires no token.
      environment: Environment variables that make a process use the emulator as Google Cloud
        Storage. TensorFlow reads the variables at its first access to the store, so they may be set
        after TensorFlow is imported.
    """

    def __init__(self, url: str, environment: Mapping[str, str], log: Path) -> None:
        self.url = url
        self.environment = environment
        self._log = log

    @property
    def requests(self) -> list[str]:
        """Method and path of each request through the proxy."""
        return self._log.read_text().splitlines()

    @property
    def client(self) -> "storage.Client":
        """Google's client for the emulator, which does not use the proxy."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        return storage.Client(
            project="tests",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self.url},
        )


@contextmanager
def running(folder: Path) -> Iterator[Emulator]:
    """Runs the emulator within the context, and yields it.

    Args:
      folder: Empty folder for the certificate, the credentials and the logs.

    Raises:
      UnavailableProgramError: The emulator cannot run on this machine.
    """
    program = FAKE_GCS_SERVER.fetch()
    certificate, key, credentials, log = (
        folder / name for name in ("certificate.pem", "key.pem", "credentials.json", "requests")
    )
    _write_certificate(certificate, key)
    credentials.write_text(json.dumps(_CREDENTIALS))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["-backend=memory", "-scheme=http", "-host=127.0.0.1", f"-port={port}"]
    with (folder / "server").open("wb") as server_log, log.open("wb") as requests:
        server = subprocess.Popen([program, *options], stderr=server_log)
        proxy = subprocess.Popen(
            [sys.executable, _PROXY, str(port), certificate, key], stdout=requests
        )
        try:
            _wait(server, lambda: socket.create_connection(("127.0.0.1", port)).close())
            _wait(proxy, lambda: int(log.read_text()))
            environment = {
                "https_proxy": f"http://127.0.0.1:{int(log.read_text())}",
                "CURL_CA_BUNDLE": str(certificate),
                "REQUESTS_CA_BUNDLE": str(certificate),
                "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
                "GOOGLE_CLOUD_PROJECT": "tests",
            }
            yield Emulator(f"http://127.0.0.1:{port}", environment, log)
        finally:
            for process in (proxy, server):
                process.terminate()
                process.wait()


def _wait(process: subprocess.Popen, is_ready: Callable[[], object]) -> None:
    while process.poll() is None:
        with suppress(OSError, ValueError):
            is_ready()
            return
        time.sleep(0.01)
    raise UnavailableProgramError(f"{process.args[0]} ended with code {process.returncode}")


def _write_certificate(path: Path, key_path: Path) -> None:
    """Writes a self-signed certificate for Google's hosts, and the private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emulator")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("*.googleapis.com")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem, unencrypted = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(pem))
    key_path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unencrypted))
