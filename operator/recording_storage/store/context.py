"""What every service of the store works with; one of it in a process, shared by both ports."""

from dataclasses import dataclass, field

from recording_storage.domain.system_errors import plain_reason
from recording_storage.store.changes import Changes
from recording_storage.store.config import ConfigError, StoreConfig
from recording_storage.store.database.engine import Database
from recording_storage.store.database.migrate import migrate
from recording_storage.store.database.probe import database_probe
from recording_storage.store.secrets_box import SecretsBox, read_master_keys


@dataclass(frozen=True)
class Store:
    config: StoreConfig
    database: Database
    box: SecretsBox = field(repr=False)
    changes: Changes

    def close(self) -> None:
        """Close what is open; nothing is left to be written."""
        self.database.close()


def open_store(config: StoreConfig, *, media: bool = True) -> Store:
    """Read the master key, open the database, bring its tables to this version; `media`: make its folder, too.

    Raises MasterKeyError, DatabaseUrlError, DatabaseUnavailableError, MigrationError, ConfigError (media folder).
    """
    box = read_master_keys(config.master_key_file, create=config.create_master_key)
    if media:
        try:
            config.media.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--media {config.media} can't be made: {plain_reason(error)}; name a folder") from None
    database = open_database(config.database.get_secret_value())
    changes = database.changes
    migrate(database.database)
    return Store(config=config, database=database.database, box=box, changes=changes)


@dataclass(frozen=True)
class OpenDatabase:
    """A database whose commits wake the long-polls of its hub."""

    database: Database
    changes: Changes


def open_database(url: str) -> OpenDatabase:
    """SQLite has one process, so its hub hears every change; PostgreSQL may serve other replicas, so it is asked."""
    database = Database(url, on_change=lambda topics: changes.announce(*topics))
    changes = Changes(probe=None if database.is_sqlite else database_probe(lambda: database))
    return OpenDatabase(database=database, changes=changes)
