"""The journal's tables. A change is a new entry of MIGRATIONS, never an edit of an old one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger(__name__)

_V1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row for each file that was ever taken; final ones are purged after a while.
CREATE TABLE recordings (
    id INTEGER PRIMARY KEY,
    sid TEXT NOT NULL UNIQUE,
    account_sid TEXT NOT NULL,
    product TEXT NOT NULL,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    seq INTEGER NOT NULL DEFAULT 1,
    told_seq INTEGER NOT NULL DEFAULT 0,        -- the receiver of reports has taken it up to here
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    found_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    destination_id TEXT,                        -- NULL and pinned: the store's own media storage
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at REAL,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since REAL,                         -- uploader running time
    error_kind TEXT, error_code TEXT, error_message TEXT
);
CREATE INDEX recordings_open ON recordings (state, account_sid, destination_id, retry_at)
    WHERE state NOT IN ('released', 'deleted');
CREATE INDEX recordings_untold ON recordings (changed_at) WHERE told_seq < seq;

-- What a recording becomes at its destination.
CREATE TABLE objects (
    recording_id INTEGER NOT NULL REFERENCES recordings (id) ON DELETE CASCADE,
    number INTEGER NOT NULL DEFAULT 0,
    key TEXT NOT NULL,
    media_url TEXT, etag TEXT, checksum TEXT, sha256 TEXT, size INTEGER, stored_at REAL,
    encryption_details TEXT,
    PRIMARY KEY (recording_id, number)
) WITHOUT ROWID;

-- Committed before the first byte is sent: what a crash leaves behind can be found and finished.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    recording_id INTEGER NOT NULL REFERENCES recordings (id) ON DELETE CASCADE,
    object_number INTEGER NOT NULL DEFAULT 0,
    destination_id TEXT,
    key TEXT NOT NULL,
    inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    outcome TEXT NOT NULL,                      -- see AttemptOutcome
    upload_id TEXT,                             -- NULL: one request, or not known yet
    part_size INTEGER,
    parts TEXT,                                 -- JSON, what was sent when the attempt was last left in order
    wrapped_key BLOB, iv BLOB,                  -- of the content's encryption; never used for another plaintext
    started_at REAL NOT NULL
);
CREATE INDEX attempts_by_recording ON attempts (recording_id);
CREATE INDEX attempts_to_abort ON attempts (destination_id) WHERE outcome = 'abandoned';

-- What was known of accounts and destinations, without secrets.
CREATE TABLE plans (account_sid TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE destinations (
    account_sid TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, proven INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_sid, id)
) WITHOUT ROWID;

CREATE TABLE commands (id TEXT PRIMARY KEY, done_at REAL NOT NULL) WITHOUT ROWID;
"""

_NAME_CHECKSUMS = """
-- The first version told them by their length: 32 bytes of a SHA-256, or 8 of a CRC64NVME.
UPDATE objects SET checksum_algorithm = CASE length(checksum) WHEN 44 THEN 'SHA256' WHEN 12 THEN 'CRC64NVME' END,
    checksum = nullif(checksum, '') WHERE checksum IS NOT NULL AND checksum_algorithm IS NULL;
"""
_V2 = f"""
ALTER TABLE objects ADD COLUMN checksum_algorithm TEXT;
ALTER TABLE objects ADD COLUMN version_id TEXT;
{_NAME_CHECKSUMS}
"""

_V3 = """
-- What vouches for an attempt's bytes, so that its object is proof of them even though its answer was lost.
ALTER TABLE attempts ADD COLUMN carried TEXT;
-- Learnt by being refused more.
ALTER TABLE destinations ADD COLUMN most_parts INTEGER;
"""

MIGRATIONS = (_V1, _V2, _V3)
OLDEST = 1
"""The oldest schema whose version may work on a journal of the newest, so that a version can be rolled back.

Versions before the second did not look at it. Raise it with a migration that older code would misread or break: a state
or an outcome that it does not know, a column that it must fill; not for columns with a default, tables and indexes.
"""


class SchemaTooNewError(Exception):
    """A newer version wrote this journal; the message says what to do."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date, each step in a transaction of its own with `user_version`.

    A newer version's journal that names this one's schema as old enough is left as it is.

    Raises:
        SchemaTooNewError: this version must not work on the journal.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        _require_readable(connection, version)
    for number in range(version, len(MIGRATIONS)):
        oldest = f"INSERT OR REPLACE INTO meta VALUES ('oldest_schema', '{OLDEST}');"  # noqa: S608 - our own number
        connection.executescript(f"BEGIN;{MIGRATIONS[number]}{oldest}PRAGMA user_version={number + 1};COMMIT;")
    connection.execute(_NAME_CHECKSUMS)  # the first version may have come back for a while


def _require_readable(connection: sqlite3.Connection, version: int) -> None:
    row = connection.execute("SELECT value FROM meta WHERE key='oldest_schema'").fetchone()
    oldest = int(row[0]) if row is not None else version
    if oldest > len(MIGRATIONS):
        raise SchemaTooNewError(
            f"a newer version made the journal (schema {version}), and versions from schema {oldest} on may open it;"
            f" this one knows {len(MIGRATIONS)}: run the newer version again; the journal was left as it is"
        )
    log.warning("the journal has schema %d, of a newer version; it is used as it is", version)
