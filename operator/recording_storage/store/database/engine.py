"""Where the tables are kept: SQLite by default, PostgreSQL by URL, and the transactions on them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

BUSY_TIMEOUT_MS = 15_000
"""How long SQLite waits for another writer; a write takes milliseconds, so only what hangs reaches this."""
_CHANGED = "changed topics"


class DatabaseUrlError(ValueError):
    """The URL is none that this store can use; the message says what to write instead."""


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
                raise DatabaseUnavailableError(_reason(error)) from error
            raise

    def ping(self) -> None:
        """Raise DatabaseUnavailableError unless a query is answered."""
        with self.read() as session:
            session.execute(sa.text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()


def mark_changed(session: Session, *topics: str) -> None:
    """Have long-polls on these topics (account sids, namespace UIDs) woken once the transaction is committed."""
    session.info.setdefault(_CHANGED, set()).update(topics)


def _reason(error: DBAPIError) -> str:
    """The driver's first line; SQLAlchemy's own text would repeat the statement's parameters."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def _sqlite(url: URL) -> Engine:
    folder = Path(url.database or "").absolute().parent
    if not folder.is_dir():
        raise DatabaseUrlError(f"the database's folder {folder} does not exist")
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
