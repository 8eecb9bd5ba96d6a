"""A server that closes after each answer costs a handshake each time: TLS sessions are resumed."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.authorities import trust
from recording_storage.s3.connection import Address, Timeouts
from recording_storage.s3.transport import Transport
from tests.tools.pki import Authority


class Closing:
    """Answers one request on each connection, then closes it; remembers which handshakes were resumed."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*self.authority.issue("server", common_name="localhost"))
        self.resumed: list[bool] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with self.context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(4096)
                self.resumed.append(bool(connection.session_reused))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Closing]:
    server = Closing(tmp_path)
    yield server
    server.listener.close()


def test_connections_after_the_first_resume_its_session(server: Closing):
    port = server.listener.getsockname()[1]
    endpoint = f"https://127.0.0.1:{port}"
    context = trust(server.authority.certificate_file.read_text())
    address = Address(endpoint=endpoint, hostname="127.0.0.1", port=port, context=context)
    transport = Transport(address, guard=AddressGuard([endpoint]), timeouts=Timeouts())
    for _ in range(4):
        assert transport.exchange(lambda: [b"PUT /x HTTP/1.1\r\nHost: x\r\n\r\n"], repeatable=True).status == 200
    transport.close()
    assert server.resumed == [False, True, True, True]
