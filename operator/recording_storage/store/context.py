"""What every service of the store works with; one of it in a process, shared by both ports."""

from dataclasses import dataclass, field

from recording_storage.domain.system_errors import plain_reason
from recording_storage.store.changes import Changes
from recording_storage.store.config import ConfigError, StoreConfig
from recording_storage.store.database.engine import Database, DatabaseUrlError, place_of
from recording_storage.store.database.migrate import is_new, migrate
from recording_storage.store.database.probe import database_probe
from recording_storage.store.database.sealed import box_heads
from recording_storage.store.secrets_box import HEAD_BYTES, MasterKeyError, SecretsBox, read_master_keys


@dataclass(frozen=True)
class Store:
    config: StoreConfig
    database: Database
    box: SecretsBox = field(repr=False)
    changes: Changes
    is_new: bool = False
    """The database was made just now."""

    def close(self) -> None:
        """Close what is open; nothing is left to be written."""
        self.database.close()


def open_store(config: StoreConfig, *, media: bool = True, begun: bool = False) -> Store:
    """Read the master key, open the database, bring its tables to this version.

    Args:
        config: which.
        media: make their folder, too.
        begun: there has to be a store in the database already.

    Raises:
        MasterKeyError, DatabaseUrlError, DatabaseUnavailableError, MigrationError, ConfigError (media folder).
    """
    opened = open_database(config.database.get_secret_value())
    database = opened.database
    new = is_new(database)
    if new and begun:
        raise DatabaseUrlError(
            f"there is no store in the database {place_of(database.url)}: check --database, or begin one there with "
            "`recording-storage store migrate`"
        )
    box = read_master_keys(config.master_key_file, create=config.create_master_key)
    if media:
        try:
            config.media.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--media {config.media} can't be made: {plain_reason(error)}; name a folder") from None
    migrate(database)
    if not all(map(box.knows, box_heads(database, size=HEAD_BYTES))):
        raise MasterKeyError(
            f"the master key file {config.master_key_file} lacks the key that secrets in the database "
            f"{place_of(database.url)} are sealed with: put that one back from its copy"
        )
    return Store(config=config, database=database, box=box, changes=opened.changes, is_new=new)


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
