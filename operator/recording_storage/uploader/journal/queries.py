"""What others than the scheduler ask of the journal; nothing is changed. Each is called in the journal's thread."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recording_storage.domain.states import Product, RecordingState
from recording_storage.protocol.sync import Tally
from recording_storage.uploader.core.recording import EntryError, Identity, Reason, Recording
from recording_storage.uploader.core.status import StateReason
from recording_storage.uploader.journal import sql
from recording_storage.uploader.journal.pinning import WAITS_SQL
from recording_storage.uploader.journal.records import OPEN_SQL, select

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

_S = RecordingState


class JournalledFile(NamedTuple):
    """The file of an unfinished recording, and why it can't go on."""

    recording_id: int
    path: str
    identity: Identity
    state: RecordingState
    error_code: str | None


def listed(
    connection: sqlite3.Connection,
    *,
    after: int,
    limit: int,
    states: Collection[RecordingState] = (),
    sids: Collection[str] = (),
) -> list[Recording]:
    """Recordings with ids beyond `after`, in their order; `states` and `sids` keep to some of them."""
    where, parameters = "r.id > ?", [after]
    chosen: list[tuple[str, list[Any]]] = [("r.state", [state.value for state in states]), ("r.sid", list(sids))]
    for column, values in chosen:
        if values:
            where += f" AND {column} IN ({sql.marks(values)})"
            parameters += values
    return select(connection, where, parameters, tail=f"ORDER BY r.id LIMIT {int(limit)}")


def with_sid(connection: sqlite3.Connection, sid: str) -> list[Recording]:
    return select(connection, "r.sid = ?", (sid,))


def unreleased(
    connection: sqlite3.Connection, *, after: int, limit: int, tried_before: float | None = None
) -> list[Recording]:
    """Those that were reported and still have their files, with ids beyond `after`.

    `tried_before`: only those that could not be removed, and whose next try is due by then (POSIX time).
    """
    due = "" if tried_before is None else " AND r.retry_at <= ?"
    where = f"r.{OPEN_SQL} AND r.state = 'reported' AND r.id > ?{due}"
    parameters = [after] if tried_before is None else [after, tried_before]
    return select(connection, where, parameters, tail=f"ORDER BY r.id LIMIT {int(limit)}")


def deleted(connection: sqlite3.Connection, *, after: int, limit: int) -> list[Recording]:
    """Those whose files were to be removed without being stored, with ids beyond `after`.

    Not those that ended because the file changed while it was sent: that file is a recording of its own.
    """
    where = "r.state = 'deleted' AND r.id > ? AND r.error_code IS NOT ?"
    return select(
        connection, where, (after, Reason.CHANGED_WHILE_UPLOADING.value), tail=f"ORDER BY r.id LIMIT {int(limit)}"
    )


def latest_in(connection: sqlite3.Connection, states: Collection[RecordingState], *, limit: int) -> list[Recording]:
    """Unfinished ones in these states, the last changed first."""
    where = f"r.{OPEN_SQL} AND r.state IN ({sql.marks(states)})"
    return select(connection, where, list(states), tail=f"ORDER BY r.changed_at DESC LIMIT {int(limit)}")


def files(connection: sqlite3.Connection) -> list[JournalledFile]:
    """Of all unfinished ones."""
    cursor = connection.execute(
        f"SELECT id, path, inode, size, mtime_ns, state, error_code FROM recordings WHERE {OPEN_SQL}"
    )
    return [JournalledFile(row[0], row[1], Identity(*row[2:5]), _S(row[5]), row[6]) for row in cursor]


def path_of(connection: sqlite3.Connection, number: int) -> str | None:
    """Its file's present name; None when the recording is forgotten."""
    row = connection.execute("SELECT path FROM recordings WHERE id=?", (number,)).fetchone()
    return row[0] if row else None


def state_of(connection: sqlite3.Connection, number: int) -> RecordingState | None:
    """None when the recording is forgotten."""
    row = connection.execute("SELECT state FROM recordings WHERE id=?", (number,)).fetchone()
    return _S(row[0]) if row else None


def without_settings(connection: sqlite3.Connection) -> dict[str, dict[Product, int]]:
    """How many wait for their account's first settings."""
    found: dict[str, dict[Product, int]] = {}
    query = (
        "SELECT account_sid, product, count(*) FROM recordings"
        f" WHERE {WAITS_SQL} AND error_code='{Reason.NO_SETTINGS}' GROUP BY account_sid, product"
    )
    for account, product, count in connection.execute(query):
        found.setdefault(account, {})[Product(product)] = count
    return found


def tallies(connection: sqlite3.Connection) -> dict[RecordingState, Tally]:
    """Counts and bytes of the unfinished ones, by state."""
    cursor = connection.execute(f"SELECT state, count(*), sum(size) FROM recordings WHERE {OPEN_SQL} GROUP BY state")
    return {_S(state): Tally(count=count, size=size) for state, count, size in cursor}


def reasons(connection: sqlite3.Connection) -> list[StateReason]:
    """Of the unfinished ones that have an error, by state and code; SQLite takes the message of the latest."""
    cursor = connection.execute(
        "SELECT state, error_kind, error_code, error_message, count(*), min(retry_at), max(changed_at)"
        f" FROM recordings WHERE {OPEN_SQL} AND error_code IS NOT NULL"
        " GROUP BY state, error_code ORDER BY count(*) DESC"
    )
    return [StateReason(state=_S(row[0]), error=EntryError(*row[1:4]), count=row[4], retry_at=row[5]) for row in cursor]


def latest_error(connection: sqlite3.Connection) -> tuple[str, float] | None:
    """Of an unfinished recording, and its POSIX time."""
    found = connection.execute(
        "SELECT error_code, error_message, changed_at FROM recordings"
        f" WHERE {OPEN_SQL} AND error_code IS NOT NULL ORDER BY changed_at DESC LIMIT 1"
    ).fetchone()
    return None if found is None else (f"{found[0]}: {found[1]}", found[2])


def oldest(connection: sqlite3.Connection) -> float | None:
    row = connection.execute(f"SELECT min(found_at) FROM recordings WHERE {OPEN_SQL}").fetchone()
    return None if row[0] is None else float(row[0])
