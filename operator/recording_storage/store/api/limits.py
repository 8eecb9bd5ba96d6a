"""What a request may not exceed, and the line that is logged of it."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recording_storage.store.api.errors import error_response
from recording_storage.store.errors import ErrorCode
from recording_storage.store.health import REQUESTS

access = logging.getLogger("recording_storage.store.access")

MAX_BODY = 1024 * 1024
"""Bytes; the largest form has a CA bundle in it."""


class _TooLargeError(Exception):
    """The body went on beyond the limit."""


class BodyLimit:
    """Refuses a body that is too large before it is in memory, also one that doesn't say its length."""

    def __init__(self, app: ASGIApp, *, limit: int = MAX_BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limit:
            await self._refuse(scope, receive, send)
            return
        seen, started = 0, False

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise _TooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, limited, noted)
        except _TooLargeError:
            if not started:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = f"The request has more than {self._limit} bytes"
        response = error_response(ErrorCode.TOO_LARGE, message, status=413, headers={"Connection": "close"})
        await response(scope, receive, send)


class AccessLog:
    """One line for each request: method, path, status, time, caller. Neither query nor headers: secrets pass there."""

    def __init__(self, app: ASGIApp, *, port: str) -> None:
        """Take the application and the name of its port, for the metric."""
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                REQUESTS.labels(port=self._port, status=str(status)).inc()
            await send(message)

        scope.setdefault("state", {})
        try:
            await self._app(scope, receive, noted)
        finally:
            caller = scope["state"].get("caller", "-")
            duration = (time.monotonic() - started) * 1000
            # repr: a path may hold line breaks that would forge a second line.
            access.info("%s %r %d %.1f ms %s", scope["method"], scope["path"], status, duration, caller)
