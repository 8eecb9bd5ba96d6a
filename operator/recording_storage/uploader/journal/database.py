"""The durable record of a spool's recordings: SQLite, owned by one thread, commits in groups.

Whoever changes something hands over a function of the connection and gets a future. The thread runs all functions that
have gathered, each in a savepoint of its own, in one transaction: one fsync for many changes. A future is done only
after the commit.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.journal.on_commit import NotingConnection
from recording_storage.uploader.journal.schema import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.uploader.journal.on_commit import Stop

log = logging.getLogger(__name__)
T = TypeVar("T")

FILE_NAME = "journal.db"
_SUFFIXES = ("", "-wal", "-journal", "-shm")
_GROUP = 256
"""Changes in one transaction at most."""
_STOP = object()
_DEFECTS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""What is wrong with the work and not with the file: trying it again would be of no use."""
_PRAGMAS = (
    # before the first access: with an exclusive lock WAL needs no shared memory, which network volumes don't have
    "locking_mode=EXCLUSIVE",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-8000",
)


class JournalError(Exception):
    """The journal could not take a change (volume full, I/O error); nothing of the change is done."""


class JournalDamagedError(JournalError):
    """The journal's file is no longer a database; the next start moves it aside and rebuilds it from the spool."""


class Journal:
    """One for each process and spool: open it only under the spool's lock."""

    def __init__(self, connection: NotingConnection, *, path: Path, rebuilt: bool) -> None:
        self.path = path
        self.stopped: Callable[[Sequence[Stop]], None] = lambda _stops: None
        """Told, after a commit and in the journal's thread, which recordings have come to a stop by it."""
        self.rebuilt = rebuilt
        """The spool was in use before and its journal was lost: objects may be there that it knows nothing of."""
        self._connection = connection
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, folder: Path, *, known_spool: bool) -> Journal:
        """Open the journal in `folder`, or begin one; a damaged one is moved aside.

        Args:
            folder: `SPOOL/.recording-storage`.
            known_spool: the spool had its id before this start, so a journal that is not there was lost.

        Raises:
            JournalError: it can't be opened, and not because it is damaged (volume full, rights).
            SchemaTooNewError: a newer version wrote it.
        """
        path = folder / FILE_NAME
        if path.exists() and not _is_sound(path):
            _move_aside(path)
        try:
            connection = _connect(path)
        except sqlite3.Error as error:
            raise JournalError(f"the journal {path} can't be opened: {error}") from error
        try:
            migrate(connection)
            rebuilt = _is_rebuilt(connection, known_spool=known_spool)
        except BaseException as error:
            connection.close()  # its lock would keep the next attempt out
            if isinstance(error, sqlite3.Error):
                raise JournalError(f"the journal {path} can't be opened: {error}") from error
            raise
        return cls(connection, path=path, rebuilt=rebuilt)

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run `work` in the journal's thread, in a transaction; the future is done after the commit.

        The future's exception is `work`'s own, or a JournalError. Work must leave alone what it did not make: it can
        be run only once, and nothing of it stays when it raises.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._ended:  # a late question, of a probe or a command, must not wait for ever
                future.set_exception(JournalError("the journal is closed"))
            else:
                self._queue.put((work, future))
        return future

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same, waiting for the commit."""
        return self.submit(work).result()

    def close(self) -> None:
        """Commit what has been handed over, then close the file."""
        self._queue.put(_STOP)
        self._thread.join()

    def _run(self) -> None:
        group: list[Any] = []
        try:
            stopping = False
            while not stopping:
                group, stopping = self._next_group()
                if group:
                    self._commit(group)
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._end(group)

    def _next_group(self) -> tuple[list[Any], bool]:
        """What has gathered; and whether it is the last."""
        group: list[Any] = []
        first = self._queue.get()
        while first is not _STOP:
            group.append(first)
            if len(group) >= _GROUP:
                return group, False
            try:
                first = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _end(self, group: list[Any]) -> None:
        """Nobody waits for what is not done any more."""
        with self._lock:
            self._ended = True
        while not self._queue.empty():
            group = [*group, self._queue.get()]
        for one in group:
            if one is not _STOP and not one[1].done():
                one[1].set_exception(JournalError("the journal is closed"))

    def _undo(self, future: Future[Any], error: Exception, *, noted: int) -> None:
        """Take back one piece of work; the others' goes on, and what they have noted."""
        del self._connection.stops[noted:]
        self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")
        future.set_exception(error)

    def _commit(self, group: list[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for work, future in group:
                self._connection.execute("SAVEPOINT work")
                noted = len(self._connection.stops)
                try:
                    result = work(self._connection)
                except sqlite3.Error as error:
                    if not isinstance(error, _DEFECTS):
                        raise
                    self._undo(future, error, noted=noted)
                    continue
                except Exception as error:  # noqa: BLE001 - handed to whoever asked; the others' work goes on
                    self._undo(future, error, noted=noted)
                    continue
                self._connection.execute("RELEASE work")
                done.append((future, result))
            fault_point("journal-before-commit")
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            self._connection.stops.clear()
            failure = _translated(error)
            for _, future in group:
                if not future.done():
                    future.set_exception(failure)
            return
        fault_point("journal-after-commit")
        if self._connection.stops:
            stops, self._connection.stops = self._connection.stops, []
            self.stopped(stops)
        for future, result in done:
            future.set_result(result)


def _connect(path: Path) -> NotingConnection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=5, factory=NotingConnection
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_rebuilt(connection: sqlite3.Connection, *, known_spool: bool) -> bool:
    """Whether the spool had a journal before this one, which may be a file that a crash has left empty."""
    begun = connection.execute("SELECT 1 FROM meta WHERE key='begun_at'").fetchone() is not None
    if not begun:
        names = ("begun_at", "rebuilt_at") if known_spool else ("begun_at",)
        marks = ",".join(["(?, ?)"] * len(names))
        values = [value for name in names for value in (name, str(time.time()))]
        connection.execute(f"INSERT OR REPLACE INTO meta VALUES {marks}", values)  # noqa: S608 - marks alone
    return connection.execute("SELECT 1 FROM meta WHERE key='rebuilt_at'").fetchone() is not None


def _is_sound(path: Path) -> bool:
    """Whether SQLite can read the file; raises JournalError when that can't be told (rights, I/O, lock)."""
    try:
        connection = _connect(path)
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if _is_damage(error):
            return False
        raise JournalError(f"the journal {path} can't be opened: {error}") from error
    return bool(answer is not None and answer[0] == "ok")


def _move_aside(path: Path) -> None:
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    for suffix in _SUFFIXES:
        part = Path(f"{path}{suffix}")
        with contextlib.suppress(FileNotFoundError):
            part.rename(f"{path}.damaged-{stamp}{suffix}")
    log.error("the journal was damaged; it is kept as %s.damaged-%s and rebuilt from the spool", path, stamp)


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _translated(error: sqlite3.Error) -> JournalError:
    if _is_damage(error):
        return JournalDamagedError(f"the journal is damaged: {error}")
    return JournalError(f"the journal takes no change: {error}")
