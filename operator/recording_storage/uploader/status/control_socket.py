"""The socket in the spool's folder over which `recordings`, `retry` and `status` ask the uploader that runs.

One request, one JSON line; the answer is any number of lines and then one with `end`. Only the same user can connect:
the folder and the socket are the owner's alone.
"""

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from recording_storage.uploader.journal.database import JournalError

log = logging.getLogger(__name__)

SOCKET_NAME = "control.sock"
MAX_REQUEST = 1024 * 1024
"""Bytes; ten thousand sids are a third of that."""
IDLE_TIMEOUT = 30.0
"""Seconds that a client may take for its request, or for reading its answer, before it is dropped."""
MAX_CLIENTS = 16

Handler = Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]]
"""From a request to the lines of its answer; RequestError and JournalError are shown to whoever asked."""


class RequestError(Exception):
    """The request can't be answered; the message says why and is shown as it is."""


class NobodyListensError(Exception):
    """No uploader answers in this folder."""


class ControlError(Exception):
    """The uploader answered with an error, or its answer broke off."""


@contextlib.contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """The socket's path in at most 108 bytes, which is all that an address holds, however long the spool's path is."""
    path = str(folder / SOCKET_NAME)
    if len(os.fsencode(path)) < 104:  # noqa: PLR2004 - the shortest limit among the systems, macOS's
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


class ControlServer:
    """Answers in threads of its own. Only the holder of the spool's lock may start one: it replaces a stale socket."""

    def __init__(self, folder: Path, *, handler: Handler) -> None:
        self._folder = folder
        self._handler = handler
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._slots = threading.BoundedSemaphore(MAX_CLIENTS)

    def start(self) -> bool:
        """Listen. False, with a warning, where the folder's file system has no sockets: uploads don't depend on it."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short_path(self._folder) as path:
                Path(path).unlink(missing_ok=True)
                listener.bind(path)
                Path(path).chmod(0o600)
            listener.listen(1024)  # a full queue would look like no uploader at all
        except OSError as error:
            listener.close()
            log.warning("commands can't ask this uploader: no socket in %s (%s)", self._folder, error.strerror)
            return False
        self._socket = listener
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()
        return True

    def close(self) -> None:
        if self._socket is None:
            return
        self._closed.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._socket.close()
        if self._thread is not None:
            self._thread.join(timeout=2)
        with contextlib.suppress(OSError):
            (self._folder / SOCKET_NAME).unlink(missing_ok=True)

    def _accept(self) -> None:
        assert self._socket is not None
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError as error:
                if self._closed.wait(0.1):
                    return
                log.warning("a command can't be answered now: %s", error.strerror)  # too many files are open
                continue
            self._slots.acquire()
            threading.Thread(target=self._serve, args=(client,), name="control-client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, client.makefile("rwb") as stream:
                client.settimeout(IDLE_TIMEOUT)
                for line in self._answer(stream.readline(MAX_REQUEST)):
                    stream.write(_line(line))
                stream.flush()
        except OSError:
            log.debug("a command went away before it had its answer")
        finally:
            self._slots.release()

    def _answer(self, line: bytes) -> Iterator[Mapping[str, Any]]:
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            yield {"end": True, "error": "a request is one JSON object on a line"}
            return
        try:
            yield from self._handler(request)
        except (RequestError, JournalError) as error:
            yield {"end": True, "error": str(error)}
            return
        yield {"end": True}


def ask(folder: Path, request: Mapping[str, Any], *, timeout: float = IDLE_TIMEOUT) -> Iterator[dict[str, Any]]:
    """The lines of the answer. Raises NobodyListensError before the first line, ControlError at any time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        try:
            with _short_path(folder) as path:
                client.connect(path)
        except OSError as error:
            raise NobodyListensError(str(folder)) from error
        try:
            with client.makefile("rwb") as stream:
                stream.write(_line(request))
                stream.flush()
                for line in stream:
                    answer = json.loads(line)
                    if not answer.get("end"):
                        yield answer
                        continue
                    if "error" in answer:
                        raise ControlError(answer["error"])
                    return
        except (OSError, ValueError) as error:
            raise ControlError(f"the uploader's answer broke off: {error}") from error
    raise ControlError("the uploader's answer broke off")


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n"
