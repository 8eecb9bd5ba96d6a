"""Moves of many recordings at once, by one statement each; called inside a transaction of the journal's thread."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

from typing import TYPE_CHECKING

from recording_storage.domain.states import FINAL, Product, RecordingState, require_move
from recording_storage.uploader.core.recording import NOT_TRIED, Reason
from recording_storage.uploader.journal import records, sql, transitions
from recording_storage.uploader.journal.destinations import THERE
from recording_storage.uploader.journal.on_commit import RETURNING, note_moved
from recording_storage.uploader.journal.records import OPEN_SQL, error_columns

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from recording_storage.uploader.core.destination_state import LaneKey
    from recording_storage.uploader.core.recording import EntryError

WINDOW_PASSED = "the retry window has passed; "
"""How the message of what is parked for that begins; why it failed follows."""


def move_lane(
    connection: sqlite3.Connection,
    lane: LaneKey,
    *,
    before: Collection[RecordingState],
    after: RecordingState,
    now: float,
    running: float | None = None,
    error: EntryError | None = None,
    product: Product | None = None,
    began_before: float | None = None,
) -> int:
    """Move every recording of a destination that is in one of the states `before`; how many.

    With `running`, the uploader's running time, the retry window of those that had no failure yet begins now. With
    `product` and `began_before` only its recordings, and those whose window began by then (running time).
    """
    for state in before:
        require_move(state, after)
    marks = ",".join("?" * len(before))
    more = [(" AND product=?", product), (" AND failing_since<=?", began_before)]
    chosen = "".join(condition for condition, value in more if value is not None)
    cursor = connection.execute(
        "UPDATE recordings SET state=?, seq=seq+1, changed_at=?, retry_at=NULL,"
        " failing_since=coalesce(failing_since, ?), error_kind=?, error_code=?, error_message=?"
        f" WHERE {OPEN_SQL} AND state IN ({marks}) AND {THERE}{chosen}{RETURNING}",
        (
            after.value,
            now,
            running,
            *error_columns(error),
            *[state.value for state in before],
            *lane,
            *[value for _, value in more if value is not None],
        ),
    )
    return note_moved(connection, after, cursor)


def wait_out(
    connection: sqlite3.Connection, lane: LaneKey, *, now: float, running: float, retry_at: float, error: EntryError
) -> list[tuple[str, float]]:
    """Have what is due for a failing destination wait; its retry window begins, if it had not before.

    That is no failure of its own: it was not tried. Returns product and failing_since (running time) of each.
    """
    require_move(RecordingState.FOUND, RecordingState.WAITING)
    return connection.execute(
        "UPDATE recordings SET state='waiting', seq=seq+1, changed_at=?, retry_at=?,"
        " failing_since=coalesce(failing_since, ?), error_kind=?, error_code=?, error_message=?"
        f" WHERE {OPEN_SQL} AND state='found' AND {THERE} RETURNING product, failing_since",
        (now, retry_at, running, *error_columns(error), *lane),
    ).fetchall()


def resume(connection: sqlite3.Connection, lane: LaneKey, *, now: float) -> int:
    """Make due what waits for its next try at a destination; how many that changes."""
    return connection.execute(
        f"UPDATE recordings SET retry_at=? WHERE {OPEN_SQL} AND state='waiting' AND {THERE} AND retry_at > ?",
        (now, *lane, now),
    ).rowcount


def find_interrupted(connection: sqlite3.Connection) -> None:
    """After a start: what was under way is found again."""
    connection.execute("UPDATE recordings SET state='found', seq=seq+1 WHERE state='uploading'")


def await_no_plan(connection: sqlite3.Connection, *, now: float) -> int:
    """After a start: what has waited for its destination's plan is found again, since that may be there already.

    How many. Where the plan isn't there, they wait for it again; nothing else would wake them.
    """
    require_move(RecordingState.WAITING, RecordingState.FOUND)
    return connection.execute(
        "UPDATE recordings SET state='found', seq=seq+1, changed_at=?, error_kind=NULL, error_code=NULL,"
        f" error_message=NULL WHERE {OPEN_SQL} AND state='waiting' AND pinned=1 AND error_code=?",
        (now, Reason.NO_PLAN.value),
    ).rowcount


def park_expired(
    connection: sqlite3.Connection,
    lane: LaneKey,
    *,
    state: RecordingState,
    product: Product,
    began_before: float,
    now: float,
    error: EntryError | None = None,
    tried: bool = False,
) -> int:
    """Park what is in `state`, `held` or `waiting`, and fails since before `began_before` (running time); how many.

    Their error becomes `error`, or stays, and says that the window has passed. Never what was not tried because
    something is missing (NOT_TRIED), nor what waits for something else than time; with `tried`, only what has failed
    by itself.
    """
    require_move(state, RecordingState.PARKED)
    marks = ",".join("?" * len(NOT_TRIED))
    more = " AND retry_at IS NOT NULL" if state is RecordingState.WAITING else ""
    more += " AND failures > 0" if tried else ""
    kind, code, message = error_columns(error)
    cursor = connection.execute(
        "UPDATE recordings SET state='parked', seq=seq+1, changed_at=?, retry_at=NULL, error_kind=coalesce(?,"
        " error_kind), error_code=coalesce(?, error_code), error_message=? || coalesce(?, error_message)"
        f" WHERE {OPEN_SQL} AND state=? AND {THERE} AND product=? AND failing_since <= ?"
        f" AND coalesce(error_code, '') NOT IN ({marks}){more}{RETURNING}",
        (now, kind, code, WINDOW_PASSED, message, state.value, *lane, product.value, began_before, *NOT_TRIED),
    )
    return note_moved(connection, RecordingState.PARKED, cursor)


def end_denied(
    connection: sqlite3.Connection,
    destination: LaneKey,
    product: Product,
    *,
    delete: Collection[str],
    began_before: float | None,
    now: float,
    error: EntryError,
) -> list[records.Change]:
    """End what a product has at a destination that denies access, and that is held; what was deleted of it.

    Args:
        connection: the journal's.
        destination: which.
        product: whose.
        delete: keys of those that are deleted; the rest is rejected.
        began_before: only those whose window began by then (running time).
        now: POSIX time.
        error: why.
    """
    deleted: list[records.Change] = []
    lasted = "" if began_before is None else f" AND r.failing_since <= {began_before!r}"
    for group in sql.groups(delete):
        there = records.select(
            connection,
            f"r.{OPEN_SQL} AND r.state='held' AND r.account_sid=? AND r.destination_id IS ?"
            f" AND r.pinned=1 AND r.product=?{lasted} AND o.key IN ({sql.marks(group)})",
            (*destination, product.value, *group),
        )
        ended = [records.Change(one, RecordingState.DELETED, error=error, failures=one.failures) for one in there]
        deleted += transitions.apply(connection, ended, now=now)
    move_lane(
        connection,
        destination,
        before=(RecordingState.HELD,),
        after=RecordingState.REJECTED,
        now=now,
        error=error,
        product=product,
        began_before=began_before,
    )
    return deleted


def repin(connection: sqlite3.Connection, destination_id: str, *, now: float) -> int:
    """Alone, a corrected configuration counts for what was found under the wrong one, too; how many move.

    Only recordings whose old destination never worked, and only those of which nothing can be there.
    """
    chosen = (
        f"{OPEN_SQL} AND pinned=1 AND destination_id <> ? AND state IN"
        " ('found', 'waiting', 'held', 'parked', 'rejected') AND NOT EXISTS (SELECT 1 FROM destinations d"
        " WHERE d.account_sid=recordings.account_sid AND d.id=recordings.destination_id AND d.proven=1)"
        " AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.recording_id=recordings.id"
        f" AND a.outcome IN ('open', 'uncertain', 'stored') AND a.carried IS NOT '{records.IN_PARTS}')"
    )
    connection.execute(
        f"DELETE FROM objects WHERE stored_at IS NULL AND recording_id IN (SELECT id FROM recordings WHERE {chosen})",
        (destination_id,),
    )
    cursor = connection.execute(
        f"UPDATE recordings SET destination_id=?, changed_at=?, seq=seq+1 WHERE {chosen}",
        (destination_id, now, destination_id),
    )
    # what another destination has answered is no reason to wait for this one
    connection.execute(
        "UPDATE recordings SET state='found', retry_at=NULL, failures=0, failing_since=NULL, error_kind=NULL,"
        f" error_code=NULL, error_message=NULL WHERE {OPEN_SQL}"
        " AND state IN ('held', 'waiting', 'rejected') AND pinned=1 AND destination_id=? AND changed_at=?",
        (destination_id, now),
    )
    return cursor.rowcount


def failing_longest(connection: sqlite3.Connection, lane: LaneKey) -> list[tuple[str, float]]:
    """Each product's earliest failing_since (running time) among what waits for its next try at a destination."""
    return connection.execute(
        f"SELECT product, min(failing_since) FROM recordings WHERE {OPEN_SQL} AND state='waiting' AND {THERE}"
        " AND retry_at IS NOT NULL AND failing_since IS NOT NULL GROUP BY product",
        lane,
    ).fetchall()


def mend_retry_times(connection: sqlite3.Connection, *, now: float) -> int:
    """Retries that were planned by a clock that was ahead are due now; how many."""
    return connection.execute(
        f"UPDATE recordings SET retry_at=? WHERE {OPEN_SQL} AND state IN ('waiting', 'reported')"
        " AND retry_at > ? AND changed_at > ?",
        (now, now, now + 1.0),
    ).rowcount


def purge(connection: sqlite3.Connection, *, before: float, untold_too: bool, unswept_too: bool, limit: int) -> int:
    """Forget final ones that ended before a moment, at most `limit`; how many.

    What the receiver hasn't heard of stays, unless `untold_too`; what has left a multipart upload that is still to be
    aborted stays, unless `unswept_too`: with the row goes all that is known of it.
    """
    told = "" if untold_too else " AND told_seq >= seq"
    unswept = "SELECT 1 FROM attempts a WHERE a.recording_id=recordings.id AND a.outcome='abandoned'"
    swept = "" if unswept_too else f" AND NOT EXISTS ({unswept})"
    states = ",".join(f"'{state.value}'" for state in FINAL)
    chosen = f"state IN ({states}) AND changed_at < ?{told}{swept} ORDER BY id LIMIT ?"
    return connection.execute(
        f"DELETE FROM recordings WHERE id IN (SELECT id FROM recordings WHERE {chosen})", (before, limit)
    ).rowcount
