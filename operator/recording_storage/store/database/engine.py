"""Where the tables are kept: SQLite by default, PostgreSQL by URL, and the transactions on them."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from recording_storage.domain.system_errors import plain_reason

BUSY_TIMEOUT_MS = 15_000
"""How long SQLite waits for another writer; a write takes milliseconds, so only what hangs reaches this."""
_CHANGED = "changed topics"
_SQLITE_HEAD = b"SQLite format 3\0"
_SQLITE_WORDS: Mapping[str, str] = {
    "unable to open database file": "its file can't be opened or made: look at the rights of its folder",
    "attempt to write a readonly database": "this user has no right to write to its file",
    "database is locked": "another process has it locked for long: end that one",
    "database or disk is full": "its volume is full",
    "database disk image is malformed": "its file is damaged: restore a backup",
}
"""What a person can do about the driver's words."""
_NUMBERED = re.compile(r":? *\[Errno -?\d+\].*")
"""The resolver's words behind the driver's own."""


class DatabaseUrlError(ValueError):
    """The URL, or the file that it names, is none that this store can use; the message says what to do."""


class DatabaseUnavailableError(Exception):
    """The database can't be opened or asked right now; the message has no credentials of it."""


def parse_url(text: str) -> URL:
    """Read `sqlite:///FILE` or `postgresql://…`; the driver is ours to choose.

    Raises DatabaseUrlError.
    """
    remedy = "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    try:
        url = make_url(text)
    except ArgumentError:
        # The text may hold a password, so it is not repeated.
        raise DatabaseUrlError(f"the database URL can't be read; {remedy}") from None
    match url.get_backend_name():
        case "sqlite":
            if not url.database or url.database == ":memory:":
                raise DatabaseUrlError(f"the database needs a file, memory forgets; {remedy}")
            return url.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise DatabaseUrlError(f"the database kind {other!r} is not supported; {remedy}")


class Database:
    """One database; thread-safe. Sessions are short: nothing waits for the network while one is open."""

    def __init__(self, url: str, *, on_change: Callable[[frozenset[str]], None] | None = None) -> None:
        """Take the database at `url`; connections are opened when they are needed.

        Args:
            url: see `parse_url`.
            on_change: is told, after the commit, the topics that a transaction marked with `mark_changed`.

        """
        self.url = parse_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._on_change = on_change
        self.engine = _sqlite(self.url) if self.is_sqlite else _postgres(self.url)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view; nothing is written."""
        with self._session(self.engine) as session:
            # Closing ends the transaction; a rollback here would expire what was read.
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on any exception.

        SQLite's write lock is taken at once: a transaction that begins reading and then wants to write would fail
        without waiting when another one wrote in between.
        """
        with self._session(self.engine.execution_options(write=True)) as session:
            yield session
            session.commit()
            changed: frozenset[str] = frozenset(session.info.get(_CHANGED, ()))
        if changed and self._on_change is not None:
            self._on_change(changed)

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session:
                yield session
        except sa.exc.TimeoutError as error:
            raise DatabaseUnavailableError("every connection is in use") from error
        except DBAPIError as error:
            if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) or error.connection_invalidated:
                raise unavailable(error, url=self.url) from error
            raise

    def ping(self) -> None:
        """Raise DatabaseUnavailableError unless a query is answered."""
        with self.read() as session:
            session.execute(sa.text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()


def mark_changed(session: Session, *topics: str) -> None:
    """Have long-polls on these topics (account sids, namespace UIDs, spool ids) woken once it is committed."""
    session.info.setdefault(_CHANGED, set()).update(topics)


def place_of(url: URL) -> str:
    """The database, for a person: its file, or its host and name, without who logs in."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.host or 'localhost'}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def reason_of(error: DBAPIError) -> str:
    """The driver's first line in plain words; SQLAlchemy's own text would repeat the statement's parameters."""
    lines = str(error.orig).strip().splitlines()
    first = _NUMBERED.sub("", lines[0]) if lines else type(error.orig).__name__
    return _SQLITE_WORDS.get(first, first)


def unavailable(error: DBAPIError, *, url: URL) -> DatabaseUnavailableError:
    """The driver's refusal, with the database that it is about."""
    return DatabaseUnavailableError(f"the database {place_of(url)} can't be used: {reason_of(error)}")


def _sqlite(url: URL) -> Engine:
    _check_file(Path(url.database or "").absolute())
    engine = sa.create_engine(
        url,
        connect_args={"check_same_thread": False},
        pool_size=16,
        max_overflow=48,
        hide_parameters=True,  # an error's text must not show what was to be stored
    )

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        # The driver would begin transactions on its own terms, too late for reads; ours begin below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _check_file(file: Path) -> None:
    """Raise DatabaseUrlError where the file can't be a database: the driver's own words would name no file."""
    if not file.parent.is_dir():
        raise DatabaseUrlError(f"the database's folder {file.parent} does not exist: make it, or name another one")
    try:
        with file.open("rb") as opened:
            head = opened.read(len(_SQLITE_HEAD))
    except FileNotFoundError:
        if not os.access(file.parent, os.W_OK | os.X_OK):
            raise DatabaseUrlError(
                f"the database {file} can't be made: this user has no right to write to its folder"
            ) from None
        return
    except OSError as error:
        raise DatabaseUrlError(f"the database {file} can't be used: {plain_reason(error)}; name another file") from None
    if head and head != _SQLITE_HEAD:
        raise DatabaseUrlError(f"{file} is not a database of SQLite; name another file")
    if not os.access(file, os.W_OK):
        raise DatabaseUrlError(f"the database {file} can't be used: this user has no right to write to it")


def _postgres(url: URL) -> Engine:
    return sa.create_engine(
        url,
        pool_size=16,
        max_overflow=48,
        pool_pre_ping=True,
        hide_parameters=True,
        # Read-modify-write of a row is guarded by SELECT … FOR UPDATE where it matters.
        isolation_level="READ COMMITTED",
        connect_args={"connect_timeout": 10},
    )
