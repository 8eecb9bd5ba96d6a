"""Serving both ports from one process, until somebody asks it to stop.

Requests are read by h11, in Python: its events tell when a head is complete, which the time limit for slow ones needs.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from recording_storage.domain.address import Address
from recording_storage.domain.system_errors import plain_reason
from recording_storage.store.certificates import CertificateFiles, keep_fresh
from recording_storage.store.config import StoreConfig

GRACE_SECONDS = 5
"""How long requests may end after the signal; long-polls are cut then, their uploaders ask again."""
HEAD_SECONDS = 30.0
"""How long the head of a request may take to arrive."""
_BACKLOG = 2048


class ListenError(Exception):
    """A port can't be listened on; the message names it and why."""


@dataclass(frozen=True)
class Listening:
    """The ports that were really taken, also where port 0 was asked for."""

    public: str
    """`http://127.0.0.1:8080`."""
    internal: str


@dataclass(frozen=True)
class _Port:
    app: ASGIApp
    listener: socket.socket
    files: CertificateFiles | None

    @property
    def url(self) -> str:
        host, port = self.listener.getsockname()[:2]
        return f"{'https' if self.files else 'http'}://{Address(host=host, port=port)}"


class _Server(uvicorn.Server):
    """Leaves the process's signals alone: there are two of it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """Waits for the head of a request so long and no longer; a thousand open connections would else cost nothing."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()
        elif self._patience is None:  # the first bytes of another request on the same connection
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_came(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Listeners:
    """Both sockets, taken before anything else is begun: a port in use is found at once."""

    def __init__(self, config: StoreConfig) -> None:
        """Take them. Raises ListenError: a port in use, an unknown host; CertificateError: its files can't be used."""
        self._public_files = _files(config.tls_cert, config.tls_key)
        self._internal_files = _files(config.internal_tls_cert, config.internal_tls_key)
        self.public = _listen(config.address, option="--listen")
        try:
            self.internal = _listen(config.internal_address, option="--internal-listen")
        except ListenError:
            self.public.close()
            raise

    async def serve(
        self,
        *,
        public: ASGIApp,
        internal: ASGIApp,
        on_listening: Callable[[Listening], None],
        stop: asyncio.Event | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve until SIGTERM or SIGINT, or until `stop` is set (then signals are left to the caller).

        `on_stop` is called first of all then, so that requests that wait on purpose can be answered.
        """
        ports = [
            _Port(public, self.public, self._public_files),
            _Port(internal, self.internal, self._internal_files),
        ]
        servers = [_Server(_uvicorn_config(port)) for port in ports]
        if stop is None:
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        tasks = [
            asyncio.create_task(server.serve(sockets=[port.listener]))
            for server, port in zip(servers, ports, strict=True)
        ]
        fresh = [
            asyncio.create_task(keep_fresh(port.files, server.config.ssl))
            for server, port in zip(servers, ports, strict=True)
            if port.files is not None and server.config.ssl is not None
        ]
        stopping = asyncio.create_task(stop.wait())
        # The sockets are bound, so a connection from now on waits at worst for the loop.
        on_listening(Listening(public=ports[0].url, internal=ports[1].url))
        try:
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopping, *fresh):
                task.cancel()
            on_stop()
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*tasks)


def _listen(address: Address, *, option: str) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, target = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(f"{option} {address}: {plain_reason(error)}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(f"{option} {address}: {plain_reason(error)}") from None
    listener.setblocking(False)
    return listener


def _files(certificate: Path | None, key: Path | None) -> CertificateFiles | None:
    """The pair, if there is one, checked. Raises CertificateError."""
    if certificate is None or key is None:
        return None
    files = CertificateFiles(certificate, key)
    files.check()
    return files


def _uvicorn_config(port: _Port) -> uvicorn.Config:
    # Its lines would have the query, and with it what signs media links; `access_log` alone depends on handlers.
    logging.getLogger("uvicorn.access").disabled = True
    config = uvicorn.Config(
        port.app,
        http=_Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="auto",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,
        ssl_certfile=port.files.certificate if port.files else None,
        ssl_keyfile=port.files.key if port.files else None,
    )
    config.load()  # makes the TLS context, which is kept fresh from outside
    return config
