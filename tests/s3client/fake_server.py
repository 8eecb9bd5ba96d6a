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
    drained: bool = False
    """Whether a client that was answered early may send the rest in peace; else its connection is reset."""


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


ReadBody = Callable[[int], None]
"""Reads up to so many bytes more of the request's body."""


@dataclass
class FakeServer:
    """`reply` gives the bytes to answer with; `body_limit` makes it stop reading bodies and reply at once.

    `early` is asked once the head is there, and may read of the body; what it gives is the answer, None: go on reading.
    """

    reply: Callable[[Request], bytes]
    body_limit: int | None = None
    close_after: bool = False
    certificate: tuple[str, str] | None = None
    early: Callable[[Request, ReadBody], bytes | None] | None = None
    connection_limit: int | None = None
    """More connections than that at a time are cut."""
    requests: list[Request] = field(default_factory=list)

    def __enter__(self):
        self._listener = socket.socket()
        # with less room than a body needs, who takes none of it is seen to
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self._end = threading.Event()
        self._context = None
        if self.certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*self.certificate)
        self.connections = self.closed = 0
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception):
        self._end.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone leaves whoever accepts there for good
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
            if self.connection_limit is not None and len(self._open) >= self.connection_limit:
                _reset(sock)
                sock.close()
                continue
            self.connections += 1
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, plain, number):
        sock = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                sock = self._context.wrap_socket(plain, server_side=True)
            rest = b""
            while (head := _head(sock, rest)) is not None:
                request, length, rest = _request(*head, number=number)
                rest, reply = self._exchange(sock, request, length=length, rest=rest)
                if reply == STALL:
                    self._end.wait(30)
                    return
                if reply == RESET:
                    _reset(sock)
                    return
                if reply == CLOSE:
                    return
                sock.sendall(reply)
                if not request.complete and request.drained:
                    _drain(sock)
                if self.close_after or not request.complete:
                    return
        except OSError:
            pass
        finally:
            self._open.discard(plain)
            sock.close()
            self.closed += 1

    def _exchange(self, sock, request, *, length, rest):
        """What came after the request, and the reply to it."""
        body = bytearray()

        def read(count):
            nonlocal rest
            wanted = min(length, len(body) + count)
            while len(body) < wanted:
                more, rest = (rest[: wanted - len(body)], rest[wanted - len(body) :]) if rest else (b"", b"")
                more = more or sock.recv(min(1 << 20, wanted - len(body)))
                if not more:
                    break
                body.extend(more)
            request.body, request.complete = bytes(body), len(body) == length

        read(0)
        reply = self.early(request, read) if self.early is not None else None
        if reply is None:
            read(length if self.body_limit is None else min(length, self.body_limit))
        self.requests.append(request)
        if reply is None:
            reply = self.reply(request)
        return rest, reply


def _head(sock, data):
    """A request's head and what came after it; None at the connection's end."""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return None
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _request(head, rest, *, number):
    first, *lines = head.decode().split("\r\n")
    method, target, _version = first.split(" ")
    assert re.fullmatch(r"[A-Z]+", method)
    headers = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name.lower() not in headers
        headers[name.lower()] = value
    return Request(method, target, headers, b"", False, number), int(headers.get("content-length", "0")), rest


def _reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _drain(sock):
    """Take what the client still sends: closing on unread bytes would be a reset, which may overtake the answer."""
    sock.settimeout(5)
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(1 << 20):
        pass
