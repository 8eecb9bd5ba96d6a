"""A gate in front of a server, on loopback unless told: lets through, refuses, stalls, resets, answers, loses answers.

Clients sign the Host header with the gate's port, and servers check against the Host they got: signatures hold.
"""

import re
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from tests.s3.gate_http import Exchange, NotHttp
from tests.tools.ports import free_port
from tests.waiting import SOON


class Mode(StrEnum):
    PASS = "pass"
    REFUSE = "refuse"  # nobody listens; open connections are cut
    STALL = "stall"  # connections open, and nothing moves
    RESET = "reset"  # every connection ends with RST


@dataclass
class Rule:
    """What happens to requests whose `METHOD /path?query` matches, after `skip` of them, to `times` of them."""

    pattern: re.Pattern[str]
    skip: int = 0
    times: int = 1
    response: bytes | None = None  # None: the request goes through, and its answer is lost
    hits: int = 0
    done: threading.Event = field(default_factory=threading.Event)  # set when it has happened for the first time

    def takes(self, request: str) -> bool:
        if not self.pattern.search(request):
            return False
        self.hits += 1
        return self.skip < self.hits <= self.skip + self.times


class Gate:
    """Listens from its making until `close()`; `requests` are the request lines seen (not through TLS)."""

    def __init__(self, endpoint: str, *, bandwidth: float | None = None, address: str = "127.0.0.1") -> None:
        target = urlsplit(endpoint)
        assert target.hostname is not None
        assert target.port is not None
        self.target = (target.hostname, target.port)
        self.bandwidth = bandwidth  # bytes a second from all clients to the server; None: unlimited
        self.requests: list[str] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._flow = threading.Event()
        self._flow.set()
        self._mode = Mode.PASS
        self._closed = False
        self._free_at = 0.0  # when the line is free for the next bytes
        # A port asked for by number: one that the kernel chose would be lost in `refuse`.
        self.port = free_port()
        self._listener = socket.create_server((address, self.port), backlog=128)
        self.endpoint = f"{target.scheme}://{address}:{self.port}"
        threading.Thread(target=self._accept, name="gate", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def mode(self) -> Mode:
        return self._mode

    def open(self) -> None:
        self._switch(Mode.PASS)

    def refuse(self) -> None:
        self._switch(Mode.REFUSE)

    def stall(self) -> None:
        """What is under way stands still until `open()`, which lets it go on."""
        self._switch(Mode.STALL)

    def reset(self) -> None:
        self._switch(Mode.RESET)

    def lose_answer(self, pattern: str, *, skip: int = 0, times: int = 1) -> Rule:
        """The server does what is asked, the client never hears of it: its connection closes instead."""
        return self._add(Rule(re.compile(pattern), skip=skip, times=times))

    def answer(
        self, pattern: str, status: int, *, code: str = "", headers: str = "", skip: int = 0, times: int = 1
    ) -> Rule:
        """Answers for the server, which sees nothing of the request; `code` is that of an S3 error body."""
        body = f"<Error><Code>{code}</Code><Message>by the gate</Message></Error>".encode() if code else b""
        head = f"HTTP/1.1 {status} Gate\r\nConnection: close\r\nContent-Type: application/xml\r\n{headers}"
        response = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        return self._add(Rule(re.compile(pattern), skip=skip, times=times, response=response))

    def clear(self) -> None:
        """Forgets all rules."""
        with self._lock:
            self._rules.clear()

    def close(self) -> None:
        self._closed = True
        self._flow.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def rule_for(self, request: str) -> Rule | None:
        with self._lock:
            self.requests.append(request)
            return next((rule for rule in self._rules if rule.takes(request)), None)

    def pace(self, size: int = 0) -> None:
        """Waits while the gate is stalled, and until the line is free for `size` more bytes to the server."""
        self._flow.wait()
        if not self.bandwidth or not size:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self.bandwidth
            wait = self._free_at - now
        time.sleep(wait)

    def _add(self, rule: Rule) -> Rule:
        with self._lock:
            self._rules.append(rule)
        return rule

    def _switch(self, mode: Mode) -> None:
        before, self._mode = self._mode, mode
        if mode is Mode.STALL:
            self._flow.clear()
        else:
            self._flow.set()
        if mode is Mode.REFUSE:
            # Linux keeps the port of a socket that is shut down while listening: no other process can take it.
            self._listener.shutdown(socket.SHUT_RDWR)
        elif before is Mode.REFUSE:
            self._listener.listen(128)
        if mode in {Mode.REFUSE, Mode.RESET}:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            abort(connection)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                time.sleep(0.005)  # refusing: until it listens again
                continue
            if self._mode is Mode.RESET:
                abort(client)
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), name="gate-connection", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._flow.wait()
        try:
            server = socket.create_connection(self.target, timeout=SOON)
        except OSError:
            abort(client)
            client.close()
            return
        server.settimeout(None)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections |= {client, server}
        try:
            Exchange(self, client, server).run()
        except (OSError, NotHttp):
            abort(client)
        finally:
            with self._lock:
                self._connections -= {client, server}
            for one in (client, server):
                one.close()


def abort(connection: socket.socket) -> None:
    """Ends it with RST, also for a thread that is blocked in it."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
