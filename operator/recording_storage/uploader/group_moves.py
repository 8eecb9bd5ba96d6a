"""Moves of many recordings at once, by one statement each; called inside a transaction of the journal's thread."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

from typing import TYPE_CHECKING

from recording_storage.domain.states import FINAL, Product, RecordingState, require_move
from recording_storage.uploader.rows import OPEN_SQL, error_columns

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from recording_storage.uploader.entry import EntryError


def move_lane(
    connection: sqlite3.Connection,
    *,
    account_sid: str,
    destination_id: str | None,
    before: Collection[RecordingState],
    after: RecordingState,
    now: float,
    running: float,
    error: EntryError | None = None,
    keep_failing_since: bool = True,
) -> int:
    """Move every recording of a destination that is in one of the states `before`; how many."""
    for state in before:
        require_move(state, after)
    marks = ",".join("?" * len(before))
    since = "coalesce(failing_since, ?)" if keep_failing_since else "nullif(?, ?)"
    since_values = (running,) if keep_failing_since else (running, running)
    cursor = connection.execute(
        f"UPDATE recordings SET state=?, seq=seq+1, changed_at=?, retry_at=NULL, failing_since={since},"
        f" error_kind=?, error_code=?, error_message=?"
        f" WHERE {OPEN_SQL} AND state IN ({marks}) AND account_sid=? AND destination_id IS ? AND pinned=1",
        (
            after.value,
            now,
            *since_values,
            *error_columns(error),
            *[state.value for state in before],
            account_sid,
            destination_id,
        ),
    )
    return cursor.rowcount


def park_expired(
    connection: sqlite3.Connection,
    *,
    account_sid: str,
    product: Product,
    began_before: float,
    exempt: Collection[str],
    now: float,
) -> int:
    """Park what is held since before `began_before` (running time); the error says so and stays what it was."""
    marks = ",".join("?" * len(exempt))
    cursor = connection.execute(
        "UPDATE recordings SET state='parked', seq=seq+1, changed_at=?, retry_at=NULL"
        f" WHERE {OPEN_SQL} AND state = 'held' AND account_sid=? AND product=? AND failing_since <= ?"
        f" AND coalesce(error_code, '') NOT IN ({marks})",
        (now, account_sid, product.value, began_before, *exempt),
    )
    return cursor.rowcount


def mend_retry_times(connection: sqlite3.Connection, *, now: float) -> int:
    """Retries that were planned by a clock that was ahead are due now; how many."""
    return connection.execute(
        f"UPDATE recordings SET retry_at=? WHERE {OPEN_SQL} AND state='waiting' AND retry_at > ? AND changed_at > ?",
        (now, now, now + 1.0),
    ).rowcount


def purge(connection: sqlite3.Connection, *, before: float, untold_too: bool) -> int:
    """Forget final ones that ended before a moment; what the receiver hasn't heard of stays, unless `untold_too`."""
    told = "" if untold_too else " AND told_seq >= seq"
    states = ",".join(f"'{state.value}'" for state in FINAL)
    return connection.execute(
        f"DELETE FROM recordings WHERE state IN ({states}) AND changed_at < ?{told}",
        (before,),
    ).rowcount
