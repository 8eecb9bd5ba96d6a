"""A server that answers what a test tells it to: for faults that no real server shows on demand."""

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Request:
    """A request as it came; `complete` tells whether its whole body did."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    complete: bool
    connection: int


def answer(status=200, body=b"", /, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def error(status, code, message="", /, inner="", **headers: str) -> bytes:
    return answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message>{inner}</Error>".encode(), **headers)


CLOSE = b"close"
"""Close the connection in place of an answer."""
RESET = b"reset"
"""Reset it."""
STALL = b"stall"
"""Say nothing until the test ends."""


@dataclass
class FakeServer:
    """`reply` gives the bytes to answer with; `body_limit` makes it stop reading bodies and reply at once."""

    reply: Callable[[Request], bytes]
    body_limit: int | None = None
    close_after: bool = False
    certificate: tuple[str, str] | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._end = threading.Event()
        self._context = None
        if self.certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*self.certificate)
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception):
        self._end.set()
        self._listener.close()

    @property
    def port(self):
        return self._listener.getsockname()[1]

    @property
    def endpoint(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock, number):
        try:
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            while (request := self._read(sock, number)) is not None:
                self.requests.append(request)
                reply = self.reply(request)
                if reply == STALL:
                    self._end.wait(30)
                    return
                if reply == RESET:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if reply == CLOSE:
                    return
                sock.sendall(reply)
                if self.close_after or not request.complete:
                    return
        except OSError:
            pass
        finally:
            sock.close()

    def _read(self, sock, number):
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _version = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers
            headers[name.lower()] = value
        length = int(headers.get("content-length", "0"))
        limit = length if self.body_limit is None else min(length, self.body_limit)
        while len(body) < limit:
            more = sock.recv(1 << 20)
            if not more:
                break
            body += more
        assert re.fullmatch(r"[A-Z]+", method)
        return Request(method, target, headers, body, len(body) == length, number)
