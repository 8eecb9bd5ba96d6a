"""What a test has a server do to a request: each gives an action for `FieldServer.on`."""

import hashlib
import threading
from collections.abc import Callable, Mapping

from tests.field.exchange import Action, Answer, Exchange, error_body
from tests.s3client.fake_server import CLOSE, RESET

_NONE: Mapping[str, str] = {}
_STALLED = 60.0
"""Seconds after which a stalled request goes on, for a test that forgot it."""


def refuse(
    status: int, code: str = "", message: str = "", *, body: bytes | None = None, headers: Mapping[str, str] = _NONE
) -> Action:
    """Answers so; without a code and a body the answer has none. At the head the client may send its body in peace."""
    raw = body if body is not None else error_body(code, message) if code else b""

    def act(exchange: Exchange) -> Answer:
        exchange.request.drained = True
        return Answer(status, raw, dict(headers))

    return act


def succeed_early(etag: str | None = None) -> Action:
    """At the head: an answer as if all were stored, then a reset of whoever is still sending."""

    def act(_exchange: Exchange) -> Answer:
        return Answer(200, b"", {"etag": f'"{etag or hashlib.md5(b"").hexdigest()}"'})

    return act


def lose(_exchange: Exchange) -> bytes:
    """The connection ends in place of an answer; whether anything was done says the moment."""
    return CLOSE


def reset(_exchange: Exchange) -> bytes:
    return RESET


def stall(until: threading.Event) -> Action:
    """Nothing moves until the event, then it goes on."""

    def act(exchange: Exchange) -> None:
        for _ in range(int(_STALLED / 0.05)):
            if until.wait(0.05) or exchange.ended.is_set():
                return

    return act


def corrupt(exchange: Exchange) -> None:
    """With the body there: one bit of it turns, and that is what is checked, stored and summed."""
    exchange.body = bytes([exchange.body[0] ^ 1]) + exchange.body[1:]


def strip_request(*names: str) -> Action:
    """Headers that something on the way takes off the request."""

    def act(exchange: Exchange) -> None:
        for name in names:
            exchange.headers.pop(name, None)

    return act


def strip_answer(*names: str) -> Action:
    """Headers that something on the way takes off the answer."""

    def act(exchange: Exchange) -> None:
        assert exchange.answer is not None
        for name in names:
            exchange.answer.headers.pop(name, None)

    return act


def add_header(name: str, value: str | Callable[[str], str]) -> Action:
    """Sets a header of the answer, or changes what it is."""

    def act(exchange: Exchange) -> None:
        assert exchange.answer is not None
        headers = exchange.answer.headers
        headers[name] = value if isinstance(value, str) else value(headers.get(name, ""))

    return act


def rewrite(change: Callable[[bytes], bytes]) -> Action:
    """Changes the answer's body."""

    def act(exchange: Exchange) -> None:
        assert exchange.answer is not None
        exchange.answer.body = change(exchange.answer.body)

    return act
