"""A gate in front of the API server that lets watches starve: their connections stay open, their events are lost."""

import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml

from tests.cluster.cluster import Cluster

_CHUNK = 65536


class WatchGate:
    """Plain HTTP on loopback, with all rights behind it; `writes` are the methods and paths of all requests but GET."""

    def __init__(self, cluster: Cluster) -> None:
        self._target = urlsplit(cluster.server).netloc
        self._context = ssl.create_default_context(cafile=str(cluster.ca_file))
        pki = cluster.ca_file.parent
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.writes: list[str] = []
        self._starved: set[str] = set()
        self._opened: dict[str, int] = {}
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="watch-gate", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, folder: Path) -> Path:
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "gate", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}],
            "users": [{"name": "gate", "user": {}}],
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
            "current-context": "gate",
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    def starve(self, plural: str) -> None:
        """From now on all watches of that collection, also new ones, bring nothing."""
        self._starved.add(plural)

    def feed(self, plural: str) -> None:
        """New watches of it work again; those that have starved stay as they are."""
        self._starved.discard(plural)

    def opened(self, plural: str) -> int:
        """How many watches of it there have been."""
        return self._opened.get(plural, 0)

    def until_opened(self, plural: str, count: int, *, timeout: float = 30.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.opened(plural) >= count, timeout), f"no watch of {plural}"

    def note_watch(self, plural: str) -> None:
        with self._changed:
            self._opened[plural] = self.opened(plural) + 1
            self._changed.notify_all()

    def is_starved(self, plural: str) -> bool:
        return plural in self._starved

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._target, context=self._context)


def _handler(gate: WatchGate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            if self.command != "GET":
                gate.writes.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            path = urlsplit(self.path)
            plural = path.path.rsplit("/", 1)[-1] if "watch=" in path.query else ""
            connection = gate.connect()
            try:
                headers = {
                    key: value for key, value in self.headers.items() if key.lower() not in {"host", "connection"}
                }
                headers["Accept-Encoding"] = "identity"
                connection.request(self.command, self.path, body=body, headers=headers)
                self._answer(connection.getresponse(), plural)
            except (OSError, http.client.HTTPException):
                self.close_connection = True
            finally:
                connection.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - http.server's names

        def _answer(self, answer: http.client.HTTPResponse, plural: str) -> None:
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
            gate.note_watch(plural)
            starved = False
            while data := answer.read1(_CHUNK):
                starved = starved or gate.is_starved(plural)
                if not starved:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            """Nothing: what matters is in the operator's log."""

    return Handler
