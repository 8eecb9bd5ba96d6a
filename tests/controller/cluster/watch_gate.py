"""A gate in front of the API server: it lets watches starve, refuses what a test says, is slow, and counts requests."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml

from tests.cluster.cluster import Cluster
from tests.waiting import SOON

_CHUNK = 65536
_OF_THIS_HOP = frozenset({"host", "connection", "authorization"})


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request as it has come to the gate."""

    method: str
    path: str
    """With the query."""
    watch: str
    """Plural of what is watched; empty: it is no watch."""
    authorization: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    in_stream: bool = False
    """Of a watch: it is begun with 200, and the refusal is its only event."""

    @property
    def body(self) -> bytes:
        answer = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": self.status}
        answer |= {"reason": "Gate", "message": "refused by the gate"}
        return json.dumps({"type": "ERROR", "object": answer} if self.in_stream else answer).encode() + b"\n"


Rule = Callable[[Call], Refusal | None]


class WatchGate:
    """Plain HTTP on loopback, with all rights behind it; `writes` are the methods and paths of all requests but GET."""

    def __init__(self, cluster: Cluster) -> None:
        self.lead_to(cluster)
        self.writes: list[str] = []
        self.calls: list[Call] = []
        self.rule: Rule = lambda _: None
        """Why a request is not passed on; may be exchanged at any time."""
        self.slowness = 0.0
        """Seconds before each answer but a watch's."""
        self._starved: set[str] = set()
        self._open: set[socket.socket] = set()
        self._opened: dict[str, int] = {}
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"gate": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="watch-gate", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, folder: Path, *, user: Mapping[str, object] | None = None) -> Path:
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "gate", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}],
            "users": [{"name": "gate", "user": dict(user or {})}],
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
            "current-context": "gate",
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    def lead_to(self, cluster: Cluster) -> None:
        """Pass what comes from now on to this one."""
        self._target = urlsplit(cluster.server).netloc
        self._context = ssl.create_default_context(cafile=str(cluster.ca_file))
        pki = cluster.ca_file.parent
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def starve(self, plural: str) -> None:
        """From now on all watches of that collection, also new ones, bring nothing."""
        self._starved.add(plural)

    def feed(self, plural: str) -> None:
        """New watches of it work again; those that have starved stay as they are."""
        self._starved.discard(plural)

    def opened(self, plural: str) -> int:
        """How many watches of it there have been."""
        return self._opened.get(plural, 0)

    def until_opened(self, plural: str, count: int, *, timeout: float = SOON) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.opened(plural) >= count, timeout), f"no watch of {plural}"

    def note_watch(self, plural: str) -> None:
        with self._changed:
            self._opened[plural] = self.opened(plural) + 1
            self._changed.notify_all()

    def note_call(self, call: Call) -> None:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()

    def until_calls(self, test: Callable[[Call], bool], count: int, *, timeout: float = SOON) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: sum(map(test, self.calls)) >= count, timeout), self.calls

    def cut(self) -> None:
        """Ends all watches that are open, as a server does that goes down."""
        with self._changed:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def following(self, connection: socket.socket) -> Iterator[None]:
        """While a watch is passed on."""
        with self._changed:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._changed:
                self._open.discard(connection)

    def is_starved(self, plural: str) -> bool:
        return plural in self._starved

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._target, context=self._context)


class _Handler(BaseHTTPRequestHandler):
    gate: WatchGate
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        if self.command != "GET":
            self.gate.writes.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = urlsplit(self.path)
        plural = path.path.rsplit("/", 1)[-1] if "watch=" in path.query else ""
        call = Call(
            method=self.command,
            path=self.path,
            watch=plural,
            authorization=self.headers.get("Authorization", ""),
        )
        self.gate.note_call(call)
        if self.gate.slowness and not plural:
            threading.Event().wait(self.gate.slowness)
        if (refusal := self.gate.rule(call)) is not None:
            self._refuse(refusal)
            return
        connection = self.gate.connect()
        try:
            headers = {
                key: value
                for key, value in self.headers.items()
                if key.lower() not in {"host", "connection", "authorization"}
            }
            headers["Accept-Encoding"] = "identity"
            connection.request(self.command, self.path, body=body, headers=headers)
            sock = connection.sock
            self._answer(connection.getresponse(), plural, sock)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - http.server's names

    def _refuse(self, refusal: Refusal) -> None:
        self.send_response(200 if refusal.in_stream else refusal.status)
        self.send_header("Content-Type", "application/json")
        for name, value in refusal.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(refusal.body)))
        self.end_headers()
        self.wfile.write(refusal.body)

    def _answer(self, answer: http.client.HTTPResponse, plural: str, connection: socket.socket) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        if not plural:
            content = answer.read()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.gate.note_watch(plural)
        starved = False
        with self.gate.following(connection):
            while data := answer.read1(_CHUNK):
                starved = starved or self.gate.is_starved(plural)
                if not starved:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Nothing: what matters is in the operator's log."""
