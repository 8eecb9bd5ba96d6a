"""Requests to one host over a pool of connections.

Nothing is tried again here, with one exception: a connection that the server closed while it was idle says nothing of
the request. Whatever else fails is the caller's to decide.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from recording_storage.s3.address_guard import AddressGuard
from recording_storage.s3.answer import Answer, AnswerError, NoAnswerError
from recording_storage.s3.connection import Address, AnsweredEarlyError, Connection, Timeouts
from recording_storage.s3.payload import Buffer

if TYPE_CHECKING:
    import ssl

_IDLE_KEPT = 32
_IDLE_SECONDS = 30.0
_REFUSALS = 300
"""The lowest status of an answer that is no success."""


class ExchangeError(Exception):
    """A request without an answer; the cause is the exception that ended it."""

    def __init__(self, cause: OSError | AnswerError, *, connected: bool, sent: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.connected = connected
        """Whether a connection was had at all."""
        self.sent = sent
        """Whether it may have taken effect: all of the request was handed over, or the server says so anyway."""


class Transport:
    """A pool of connections to one address. Thread-safe."""

    def __init__(self, address: Address, *, guard: AddressGuard, timeouts: Timeouts) -> None:
        self._address = address
        self._guard = guard
        self._timeouts = timeouts
        self._idle: deque[Connection] = deque()
        self._session: ssl.SSLSession | None = None
        """Of a connection that the server wanted closed: the next ones resume it."""
        self._lock = threading.Lock()
        self._closed = False

    def exchange(self, pieces: Callable[[], Iterable[Buffer]], *, repeatable: bool) -> Answer:
        """Send a request and read its answer.

        Args:
            pieces: gives the request's bytes, anew at each call.
            repeatable: whether the request may take effect twice without harm.

        Raises:
            AddressRefusedError: the guard refuses where the host leads.
            ExchangeError: no answer.
        """
        connection = self._take()
        while True:
            sent, started = False, False
            try:
                try:
                    connection.send(pieces())
                    sent = True
                except OSError as error:
                    answer = connection.early_answer()
                    if answer is None:
                        raise
                    connection.close()
                    if answer.status < _REFUSALS:  # a success of what it has not seen: nobody knows what it has done
                        raise ExchangeError(AnsweredEarlyError(), connected=True, sent=True) from error
                    return answer
                reader = connection.answer()
                try:
                    answer = reader.read()
                finally:
                    started = reader.started
            except (OSError, AnswerError) as error:
                connection.close()
                gone = isinstance(error, (ConnectionError, NoAnswerError))
                if connection.reused and gone and not started and (repeatable or not sent):
                    connection = self._open()
                    continue
                raise ExchangeError(error, connected=True, sent=sent) from error
            except BaseException:
                connection.close()  # half a request may be on the line
                raise
            if answer.keep_alive:
                self._keep(connection)
            else:
                self._session = connection.new_session() or self._session
                connection.close()
            return answer

    def close(self) -> None:
        """Close what is idle; what is in use is closed when its request ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, deque()
        for connection in idle:
            connection.close()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._open()
            if time.monotonic() - connection.idle_since < _IDLE_SECONDS and not connection.stale:
                return connection
            connection.close()

    def _open(self) -> Connection:
        try:
            return Connection.open(self._address, guard=self._guard, timeouts=self._timeouts, session=self._session)
        except OSError as error:
            raise ExchangeError(error, connected=False, sent=False) from error

    def _keep(self, connection: Connection) -> None:
        connection.reused = True
        connection.idle_since = time.monotonic()
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE_KEPT:
                self._idle.append(connection)
                return
        connection.close()
