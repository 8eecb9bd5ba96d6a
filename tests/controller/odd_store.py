"""A settings store that a test writes itself, or a gate before the real one: it records what was asked of it."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Asked:
    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, kw_only=True)
class Told:
    status: int = 200
    body: bytes = b'{"status":"ok"}'
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False
    """The connection ends instead of the answer."""


class OddStore:
    """On loopback; `answer` may be exchanged at any time."""

    def __init__(self, answer: Callable[[Asked], Told], *, port: int = 0) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="odd-store", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def writes(self) -> list[str]:
        """Method and path of all requests but GET."""
        return [str(each) for each in self.asked if each.method != "GET"]


def _handler(store: OddStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = Asked(method=self.command, path=self.path, headers=dict(self.headers), body=body)
            store.asked.append(asked)
            told = store.answer(asked)
            if told.lost:
                self.close_connection = True
                return
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body)))
            self.send_header("Connection", "close")  # or the next one on this port would be asked through this one
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(told.body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing: what was asked is in `asked`."""

    return Handler
