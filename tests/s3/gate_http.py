"""One connection through a gate: as much HTTP/1.1 as it takes to tell one request from the next."""

import io
import select
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.s3.gate import Gate, Rule

BLOCK = 65536
TLS_HANDSHAKE = 0x16  # first byte of a TLS connection
DRAIN = 5.0  # seconds that a client gets to hear an answer while it is still sending


class NotHttp(Exception):  # noqa: N818 - what the bytes are
    pass


class Exchange:
    def __init__(self, gate: "Gate", client: socket.socket, server: socket.socket) -> None:
        self._gate = gate
        self._client = client
        self._server = server
        self._reader = io.BufferedReader(socket.SocketIO(client, "r"), BLOCK)
        self._losing: Rule | None = None

    def run(self) -> None:
        """Returns when both directions have ended."""
        back = threading.Thread(target=self._answers, name="gate-answers", daemon=True)
        back.start()
        try:
            first = self._client.recv(1, socket.MSG_PEEK)
            if first and first[0] == TLS_HANDSHAKE:
                while data := self._client.recv(BLOCK):
                    self._forward(data)
            else:
                while self._request():
                    pass
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_WR)
            back.join()
        finally:
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            back.join()
            self._reader.close()

    def _request(self) -> bool:
        """Passes one request on; False when the client has no more, or must not have."""
        line = self._reader.readline(BLOCK)
        if not line:
            return False
        head = [line]
        while (line := self._reader.readline(BLOCK)) not in {b"\r\n", b"\n", b""}:
            head.append(line)
        fields = {k.strip().lower(): v.strip() for k, _, v in (h.partition(b":") for h in head[1:])}
        rule = self._gate.rule_for(b" ".join(head[0].split()[:2]).decode("latin-1"))
        if rule is not None and rule.response is not None:
            self._reply(rule)
            return False
        # Nothing can be answered before the last bytes are out, so the mark that drops the answer is set before them;
        # not earlier, since a `100 Continue` has to pass.
        last = self._body(b"".join(head) + b"\r\n", fields)
        self._losing = rule
        self._forward(last)
        return rule is None

    def _body(self, head: bytes, fields: dict[bytes, bytes]) -> bytes:
        """Passes head and body on but for the last bytes, which it returns."""
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            self._forward(head)
            return self._chunks()
        left = int(fields.get(b"content-length", b"0"))
        if not left:
            return head
        self._forward(head)
        while left > 1:
            data = self._reader.read1(min(BLOCK, left - 1))
            if not data:
                raise NotHttp("the client ended within a body")
            self._forward(data)
            left -= len(data)
        return self._reader.read(1)

    def _chunks(self) -> bytes:
        while True:
            size = self._reader.readline(BLOCK)
            length = int(size.split(b";")[0], 16)
            if length == 0:
                break
            self._forward(size + self._reader.read(length) + self._reader.readline(BLOCK))
        trailer = size
        while (line := self._reader.readline(BLOCK)) not in {b"\r\n", b""}:
            trailer += line
        return trailer + b"\r\n"

    def _reply(self, rule: "Rule") -> None:
        self._gate.pace()
        assert rule.response is not None
        self._client.sendall(rule.response)
        rule.done.set()
        self._client.shutdown(socket.SHUT_WR)
        # Closing on unread bytes would be a reset, which may overtake the answer.
        while select.select([self._client], [], [], DRAIN)[0] and self._client.recv(BLOCK):
            pass

    def _forward(self, data: bytes) -> None:
        self._gate.pace(len(data))
        self._server.sendall(data)

    def _answers(self) -> None:
        try:
            while data := self._server.recv(BLOCK):
                self._gate.pace()
                if self._losing is not None:
                    if _is_interim(data):
                        continue
                    self._losing.done.set()
                    break
                self._client.sendall(data)
        except OSError:
            pass
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR if self._losing else socket.SHUT_WR)


def _is_interim(data: bytes) -> bool:
    """Whether it is `100 Continue` only, which a server sends even before an empty body."""
    return data.startswith(b"HTTP/1.1 1") and data.find(b"\r\n\r\n") == len(data) - 4
