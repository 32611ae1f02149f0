import pytest

from data.errors import UnavailableError
from data.http_client import http_client


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


BROKEN = {
    "SOCKS": ("ALL_PROXY", "socks5://127.0.0.1:1", "proxies with SOCKS are not supported"),
    "scheme": ("http_proxy", "foo://user:secret@x", "Unknown scheme for proxy URL"),
    "port": ("HTTPS_PROXY", "http://[::1", "Invalid port"),
    "no certificates": ("SSL_CERT_FILE", "/nowhere.pem", "No such file or directory"),
    "other certificates": ("SSL_CERT_FILE", __file__, "no certificate or crl found"),
}


@pytest.mark.parametrize(("name", "value", "reason"), BROKEN.values(), ids=BROKEN)
def test_the_variable_that_is_broken_is_named(monkeypatch, name, value, reason):
    monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError) as caught:
        http_client(1.0)
    message = str(caught.value)
    assert message.startswith(f"{name}: the variable of the environment cannot be used (")
    assert reason in message
    assert "secret" not in message
    assert "\n" not in message


def test_usable_variables_are_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:3128")
    with http_client(1.0) as client:
        assert not client.is_closed
