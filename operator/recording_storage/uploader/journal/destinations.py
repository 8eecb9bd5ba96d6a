"""What the journal knows of a destination and of what is on its way there; each called in the journal's thread."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recording_storage.protocol.base import MalformedError
from recording_storage.protocol.plan import DestinationPlan
from recording_storage.uploader.core.recording import EntryError
from recording_storage.uploader.journal.records import OPEN_SQL

if TYPE_CHECKING:
    import sqlite3

    from recording_storage.uploader.core.destination_state import LaneKey

log = logging.getLogger(__name__)

THERE = "account_sid=? AND destination_id IS ? AND pinned=1"
"""Of the recordings, those that are pinned to a `LaneKey`."""


def remembered(connection: sqlite3.Connection) -> list[tuple[str, DestinationPlan]]:
    """Where each one leads that recordings were ever pinned to, and whose it is."""
    found = []
    for account, body in connection.execute("SELECT account_sid, body FROM destinations"):
        try:
            found.append((account, DestinationPlan.from_json(body)))
        except MalformedError as error:
            log.warning("a destination kept for account %s can't be used, its plan is waited for: %s", account, error)
    return found


def keep(connection: sqlite3.Connection, key: LaneKey, terms: DestinationPlan) -> None:
    """Remember where it leads, for a time when the plan doesn't name it any more."""
    connection.execute(
        "INSERT INTO destinations (account_sid, id, body, proven) VALUES (?,?,?,?)"
        " ON CONFLICT (account_sid, id) DO UPDATE SET body=excluded.body, proven=max(proven, excluded.proven)",
        (*key, _body(terms), terms.proven),
    )


def prove(connection: sqlite3.Connection, key: LaneKey, terms: DestinationPlan) -> None:
    """Note that something was stored there."""
    connection.execute(
        "INSERT INTO destinations (account_sid, id, body, proven) VALUES (?,?,?,1)"
        " ON CONFLICT (account_sid, id) DO UPDATE SET proven=1",
        (*key, _body(terms)),
    )


def _body(terms: DestinationPlan) -> str:
    return terms.replace(credential=None).to_json().decode()


def experience(connection: sqlite3.Connection, key: LaneKey) -> tuple[bool, int | None]:
    """Whether something was stored there before; the parts that it takes of an upload, where more were refused."""
    query = "SELECT proven, most_parts FROM destinations WHERE account_sid=? AND id=?"
    row = connection.execute(query, key).fetchone()
    return (bool(row[0]), row[1]) if row else (False, None)


def set_most_parts(connection: sqlite3.Connection, key: LaneKey, *, most: int) -> None:
    connection.execute("UPDATE destinations SET most_parts = ? WHERE account_sid = ? AND id = ?", (most, *key))


def in_use(connection: sqlite3.Connection) -> list[tuple[LaneKey, EntryError | None]]:
    """Those that recordings are on their way to, and why one is held."""
    found = connection.execute(
        "SELECT account_sid, destination_id, max(CASE WHEN state IN ('held', 'rejected') THEN id END)"
        f" FROM recordings WHERE {OPEN_SQL} AND pinned=1 GROUP BY account_sid, destination_id"
    ).fetchall()
    return [
        ((account, destination), None if held is None else _hold_of(connection, held))
        for account, destination, held in found
    ]


def _hold_of(connection: sqlite3.Connection, number: int) -> EntryError:
    query = "SELECT error_kind, error_code, error_message FROM recordings WHERE id=?"
    kind, code, message = connection.execute(query, (number,)).fetchone()
    return EntryError(kind or "hold", code or "Held", message or "")


def with_work(connection: sqlite3.Connection) -> list[LaneKey]:
    """Those for which something is due."""
    query = (
        f"SELECT DISTINCT account_sid, destination_id FROM recordings WHERE {OPEN_SQL} AND state='found' AND pinned=1"
    )
    return connection.execute(query).fetchall()


def with_few_failures(connection: sqlite3.Connection, *, most: int) -> list[LaneKey]:
    """Those for which something waits for its next try that has failed at most so often."""
    query = (
        f"SELECT DISTINCT account_sid, destination_id FROM recordings WHERE {OPEN_SQL} AND state='waiting'"
        " AND retry_at IS NOT NULL AND failures <= ?"
    )
    return connection.execute(query, (most,)).fetchall()


def needed(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """By account, those whose credential unfinished recordings need."""
    found: dict[str, list[str]] = {}
    query = (
        f"SELECT DISTINCT account_sid, destination_id FROM recordings WHERE {OPEN_SQL}"
        " AND destination_id IS NOT NULL AND account_sid <> ''"
    )
    for account, destination in connection.execute(query):
        found.setdefault(account, []).append(destination)
    return found


def next_retry(connection: sqlite3.Connection, key: LaneKey) -> float | None:
    """The earliest, a POSIX time."""
    query = f"SELECT min(retry_at) FROM recordings WHERE {OPEN_SQL} AND state='waiting' AND {THERE}"
    (moment,) = connection.execute(query, key).fetchone()
    return None if moment is None else float(moment)


def has_more_than(connection: sqlite3.Connection, key: LaneKey, few: int) -> bool:
    """Whether more recordings than that are on their way there."""
    query = (
        f"SELECT count(*) FROM (SELECT 1 FROM recordings WHERE {OPEN_SQL}"
        f" AND state IN ('found', 'uploading', 'waiting') AND {THERE} LIMIT ?)"
    )
    return bool(connection.execute(query, (*key, few + 1)).fetchone()[0] > few)


def is_empty(connection: sqlite3.Connection, key: LaneKey) -> bool:
    query = f"SELECT 1 FROM recordings WHERE {OPEN_SQL} AND {THERE} LIMIT 1"
    return connection.execute(query, key).fetchone() is None


def abandoned_uploads(connection: sqlite3.Connection, key: LaneKey) -> list[tuple[int, str, str]]:
    """Multipart uploads that are still to be aborted there: the attempt's id, the object's key, the upload's id."""
    return connection.execute(
        "SELECT a.id, a.key, a.upload_id FROM attempts a JOIN recordings r ON r.id = a.recording_id"
        " WHERE a.outcome='abandoned' AND a.upload_id IS NOT NULL AND r.account_sid=? AND a.destination_id IS ?",
        key,
    ).fetchall()
