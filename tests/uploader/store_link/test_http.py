"""HTTP to the store: tokens, certificates, stale connections, ends of waiting."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from recording_storage.uploader.store_link.http import (
    StoreHttp,
    StoreRefusedError,
    StoreUnreachableError,
    StoreUrlError,
    store_address,
)
from tests.waiting import SOON


class Server(ThreadingHTTPServer):
    """Answers each request by `reply(handler)`; the tests set it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.reply: Callable[[Any], None] = lambda handler: handler.send(200, b"{}")
        self.connections = 0
        super().__init__(("127.0.0.1", 0), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.append(self.headers.get("Authorization", ""))
        self.server.reply(self)

    def send(self, status: int, body: bytes, *, then_hang_up: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = then_hang_up

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first-token\n")
    return path


@pytest.fixture
def store(server: Server, token_file: Path) -> Iterator[StoreHttp]:
    http = StoreHttp(store_address(f"http://127.0.0.1:{server.server_port}", token_file=token_file))
    yield http
    http.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://store.example:8081", "use https"),
        ("http://10.0.0.1:8081", "use https"),
        ("store:8081", "no address"),
        ("ftp://store", "no address"),
        ("https://user:pw@store", "--token-file"),
        ("https://store:99999", "port"),
        ("https://store?x=1", "query"),
    ],
)
def test_addresses_that_are_refused_say_what_to_write(url: str, words: str, tmp_path: Path):
    with pytest.raises(StoreUrlError, match=words) as caught:
        store_address(url, token_file=tmp_path / "token")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "http://[::1]:8081/", "http://localhost:8081"])
def test_plain_http_is_taken_for_this_machine(url: str, tmp_path: Path):
    assert store_address(url, token_file=tmp_path / "token").port == 8081


def test_a_rotated_token_is_used_at_once_on_the_same_connection(server: Server, store: StoreHttp, token_file: Path):
    store.json("POST", "/x", body=b"{}")
    token_file.write_text("second-token")
    store.json("POST", "/x", body=b"{}")
    assert server.tokens == ["Bearer first-token", "Bearer second-token"]
    assert server.connections == 1


@pytest.mark.parametrize("content", ["", "two words", "line\nline"])
def test_a_token_file_without_a_token_is_told_without_its_content(store: StoreHttp, token_file: Path, content: str):
    token_file.write_text(content)
    with pytest.raises(StoreUnreachableError, match="holds no token") as caught:
        store.json("POST", "/x", body=b"{}")
    assert not content or content not in str(caught.value)


def test_a_connection_that_the_store_closed_while_idle_is_replaced(server: Server, store: StoreHttp):
    def hang_up_silently(handler: Handler) -> None:
        handler.send(200, b"{}", then_hang_up=True)

    server.reply = hang_up_silently
    for _ in range(3):
        store.json("POST", "/x", body=b"{}")
    assert len(server.tokens) == 3


def test_a_refusal_carries_code_and_message(server: Server, store: StoreHttp):
    server.reply = lambda handler: handler.send(403, b'{"status":403,"code":"not_bound","message":"bind it\\u0007"}')
    with pytest.raises(StoreRefusedError, match="bind it") as caught:
        store.json("POST", "/x", body=b"{}")
    assert (caught.value.status, caught.value.code) == (403, "not_bound")
    assert "\x07" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_fault_of_the_store_counts_as_unreachable(server: Server, store: StoreHttp, status: int):
    server.reply = lambda handler: handler.send(status, b"<html>")
    with pytest.raises(StoreUnreachableError, match=str(status)):
        store.json("POST", "/x", body=b"{}")


def test_a_store_that_is_down_is_told_in_one_line(tmp_path: Path, token_file: Path):
    store = StoreHttp(store_address("http://127.0.0.1:1", token_file=token_file))
    with pytest.raises(StoreUnreachableError, match="Connection refused"):
        store.json("POST", "/x", body=b"{}")


def test_a_long_poll_ends_at_once_when_it_is_aborted(server: Server, store: StoreHttp):
    asked, done = threading.Event(), threading.Event()
    failures: list[Exception] = []

    def hold(handler: Handler) -> None:
        asked.set()
        done.wait(SOON)
        handler.close_connection = True

    def wait() -> None:
        try:
            store.json("POST", "/x", body=b"{}", timeout=3 * SOON)
        except StoreUnreachableError as error:
            failures.append(error)

    server.reply = hold
    thread = threading.Thread(target=wait)
    thread.start()
    assert asked.wait(SOON)
    store.abort()
    thread.join(SOON)
    done.set()
    assert not thread.is_alive()
    assert "ended here" in str(failures[0])
