"""One connection to an S3 server: TCP to a judged address, TLS to the name, one request at a time."""

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.answer import Answer, AnswerError, AnswerReader
from recording_storage.s3.greenlets import is_ready
from recording_storage.s3.payload import Buffer

_SEND = 1 << 20
"""Bytes of one `send`: TLS takes all of them or none, and holds them as long."""
_EARLY_ANSWER = 2.0
"""Seconds for an answer that came while the body was still being sent."""


class AnsweredEarlyError(ConnectionError):
    """The server has answered before it had the whole request."""

    def __init__(self) -> None:
        super().__init__("an answer came before the whole request was sent")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """All in seconds."""

    connect: float = 10.0
    """For TCP and TLS together."""
    read: float = 60.0
    """Without a byte moving, in either direction."""
    answer: float = 300.0
    """For a whole answer, however slowly its bytes come."""


_WANTS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket says that would have to wait."""


def _event(want: OSError, usual: int) -> int:
    """What to wait for: TLS may have to read before it can write, and the other way round."""
    if isinstance(want, ssl.SSLWantReadError):
        return select.POLLIN
    return select.POLLOUT if isinstance(want, ssl.SSLWantWriteError) else usual


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where to connect, and what must be there."""

    endpoint: str
    """What is allowed or not: the location's endpoint."""
    hostname: str
    port: int
    context: ssl.SSLContext | None
    """None for plain http."""


class Connection:
    """An open connection. Not thread-safe: it has one user at a time."""

    def __init__(self, sock: socket.socket, *, timeouts: Timeouts) -> None:
        self._socket = sock
        self._timeouts = timeouts
        self.reused = False
        self.idle_since = 0.0
        self._early = b""
        """What came of an answer while the request was being sent."""

    @classmethod
    def open(
        cls, address: Address, *, guard: AddressGuard, timeouts: Timeouts, session: ssl.SSLSession | None = None
    ) -> Self:
        """Connect to the first address that answers.

        `session` is that of an earlier connection to the same address: where the server closes after each answer, the
        handshakes cost more than all the rest. It comes from a handshake that has checked the certificate.

        Raises:
            AddressRefusedError: the guard refuses where the name leads.
            OSError: no address answers, TLS fails, or the name does not resolve.
        """
        deadline = time.monotonic() + timeouts.connect
        failure: OSError = TimeoutError("timed out")
        targets = guard.addresses(endpoint=address.endpoint, host=address.hostname, port=address.port)
        for number, (family, target) in enumerate(targets):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            # It waits by itself: with a time-out of its own, a socket polls before each write and reads in vain before
            # each answer, and every one of these calls hands the interpreter's lock to another thread.
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                # each address has its share: one that answers nothing must not cost the others their turn
                _connect(sock, target, seconds=remaining / (len(targets) - number))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if address.context is not None:
                    sock = address.context.wrap_socket(
                        sock, server_hostname=address.hostname, session=session, do_handshake_on_connect=False
                    )
                    _shake_hands(sock, seconds=max(deadline - time.monotonic(), 0.1))
            except OSError as error:
                sock.close()
                if isinstance(error, ssl.SSLError):
                    raise
                failure = error
                continue
            return cls(sock, timeouts=timeouts)
        raise failure

    def send(self, pieces: Iterable[Buffer]) -> None:
        """Send all of the request.

        Raises:
            AnsweredEarlyError: the server has answered already, and has not seen all of it.
            OSError: the connection failed, or stood still.
        """
        send = self._socket.send
        # TLS writes 16 KiB at a time, and each of them would wake the other end
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        sent = 0
        for piece in pieces:
            view = memoryview(piece)
            while view:
                try:
                    if sent >= _SEND and self._has_spoken():  # not asked for what goes out at once
                        raise AnsweredEarlyError
                    count = send(view[:_SEND])
                except _WANTS as want:
                    self._wait(_event(want, select.POLLOUT), self._timeouts.read)
                else:
                    view = view[count:]
                    sent += count
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def _has_spoken(self) -> bool:
        """Whether something of an answer has come; it is kept for its reader. TLS may only have sent tickets."""
        if not self.stale:
            return False
        try:
            self._early = self._socket.recv(_SEND)
        except (*_WANTS, ssl.SSLEOFError):
            return False
        return bool(self._early)

    def answer(self, *, within: float | None = None) -> AnswerReader:
        """A reader of the answer to what was sent; it tells afterwards, too, whether anything came at all.

        Args:
            within: seconds for the whole answer; the time-outs' own when None.
        """
        deadline = time.monotonic() + (self._timeouts.answer if within is None else within)
        begun = False

        def receive(size: int) -> bytes:
            nonlocal begun
            event = select.POLLIN
            if self._early:
                early, self._early = self._early, b""
                return early
            while True:
                if not (begun and self._has_pending()):
                    self._wait(event, min(self._timeouts.read, deadline - time.monotonic()))
                begun = True
                try:
                    return self._socket.recv(size)
                except _WANTS as want:
                    event = _event(want, select.POLLIN)
                except ssl.SSLEOFError:
                    return b""

        return AnswerReader(receive)

    def _has_pending(self) -> bool:
        """Whether TLS has taken more off the line than it has handed on."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _wait(self, event: int, seconds: float) -> None:
        _wait(self._socket, event, seconds)

    def early_answer(self) -> Answer | None:
        """What the server said before it stopped taking the request, if it said anything."""
        try:
            return self.answer(within=_EARLY_ANSWER).read()
        except (OSError, AnswerError):
            return None

    @property
    def stale(self) -> bool:
        """Whether the server has closed it, or sent what nobody asked for."""
        try:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def new_session(self) -> ssl.SSLSession | None:
        """To resume with, once an answer has been read; None over plain http, and when this one was resumed itself."""
        sock = self._socket
        return sock.session if isinstance(sock, ssl.SSLSocket) and not sock.session_reused else None

    def close(self) -> None:
        """Close without TLS's farewell: that could block, and nobody needs it after a complete answer."""
        self._socket.close()


def _connect(sock: socket.socket, target: tuple[object, ...], *, seconds: float) -> None:
    code = sock.connect_ex(target)
    if code == errno.EINPROGRESS:
        _wait(sock, select.POLLOUT, seconds)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _shake_hands(sock: ssl.SSLSocket, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            sock.do_handshake()
        except _WANTS as want:
            _wait(sock, _event(want, select.POLLIN), deadline - time.monotonic())
        else:
            return


def _wait(sock: socket.socket, event: int, seconds: float) -> None:
    if not is_ready(sock.fileno(), event, seconds=seconds):
        raise TimeoutError("timed out")
