"""HOST:PORT is read in one way everywhere, and what can't be read is told with a remedy."""

import pytest

from recording_storage.domain.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port", "written"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1:8080"),
        ("localhost:0", "localhost", 0, "localhost:0"),
        (":9102", "0.0.0.0", 9102, "0.0.0.0:9102"),
        ("[::1]:8080", "::1", 8080, "[::1]:8080"),
        ("::1:8080", "::1", 8080, "[::1]:8080"),
    ],
)
def test_an_address_is_read_and_written(text: str, host: str, port: int, written: str) -> None:
    found = Address.parse(text)
    assert (found.host, found.port, str(found)) == (host, port, written)


@pytest.mark.parametrize(
    "text", ["", "8080", "host", "host:", "host:x", "host:65536", "host:-1", "host:²", "a:b:1", "[::1:8080", "[x:y]:1"]
)
def test_what_is_no_address_is_named_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write HOST:PORT") as raised:
        Address.parse(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(("host", "alone"), [("localhost", True), ("127.3.2.1", True), ("::1", True), ("store", False)])
def test_loopback_is_known(host: str, alone: bool) -> None:  # noqa: FBT001 - a parameter
    assert Address(host, 1).is_loopback is alone
