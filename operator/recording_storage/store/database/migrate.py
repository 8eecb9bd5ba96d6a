"""Bring a database's tables to this version's."""

import threading
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, OperationalError

from recording_storage.store.database.engine import Database, place_of, reason_of, unavailable

_LOCK = 0x52535442
"""Number of PostgreSQL's advisory lock, by which replicas that start at once migrate one after another."""
_alembic = threading.Lock()
"""Alembic keeps what it is at in module variables: one migration at a time in a process."""


class MigrationError(Exception):
    """The tables can't be brought to this version."""


def migrate(database: Database) -> None:
    """Upgrade to the newest revision; nothing happens when it is there already.

    Raises DatabaseUnavailableError, or MigrationError when a newer version has written this database.
    """
    config = _config()
    try:
        with _alembic, database.engine.execution_options(write=True).connect() as connection:
            if not database.is_sqlite:
                connection.execute(sa.text("SELECT pg_advisory_lock(:id)"), {"id": _LOCK})
                connection.commit()
            # On SQLite alembic would commit each step by itself, and let another process in between two.
            connection.begin()
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
                connection.commit()
            finally:
                if not database.is_sqlite:
                    connection.rollback()
                    connection.execute(sa.text("SELECT pg_advisory_unlock(:id)"), {"id": _LOCK})
                    connection.commit()
    except CommandError as error:
        raise MigrationError(
            f"the database {place_of(database.url)} is of another version of recording-storage: use that one"
        ) from error
    except OperationalError as error:
        raise unavailable(error, url=database.url) from error
    except DBAPIError as error:
        raise MigrationError(
            f"the tables of the database {place_of(database.url)} can't be changed: {reason_of(error)}"
        ) from error


def is_new(database: Database) -> bool:
    """Whether no store has made its tables there yet; asking makes no file.

    Raises DatabaseUnavailableError.
    """
    if database.is_sqlite:
        name = database.url.database or ""
        if not name.startswith("file:") and not Path(name).exists():  # `file:` begins a URI of SQLite's own
            return True
    with database.read() as session:
        return not sa.inspect(session.connection()).has_table("alembic_version")


def newest_revision() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
