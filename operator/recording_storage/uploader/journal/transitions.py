"""Moves of recordings from state to state, many by one statement; inside a transaction of the journal's thread."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import RecordingState, require_move
from recording_storage.uploader.core.recording import REMOVED, Reason
from recording_storage.uploader.journal import sql
from recording_storage.uploader.journal.on_commit import RETURNING, STOPS, note, note_moved, stop_of
from recording_storage.uploader.journal.records import (
    ATTEMPT_COLUMNS,
    OPEN_SQL,
    attempts_of,
    error_columns,
    insert_numbered,
    select,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable

    from recording_storage.uploader.core.destination_state import LaneKey
    from recording_storage.uploader.core.recording import Identity, Recording, StoredFacts
    from recording_storage.uploader.journal.records import Attempt, Change

_S = RecordingState


def claim(
    connection: sqlite3.Connection,
    key: LaneKey,
    *,
    now: float,
    limit: int,
    least_tried: bool = False,
) -> list[Recording]:
    """Recordings of a destination whose turn it is, oldest first; nothing is moved yet.

    `least_tried`: the least tried first instead, so that some which are at fault don't stand in the way of the others;
    that looks at all of them.
    """
    lane = "r.account_sid = ? AND r.destination_id IS ? AND r.pinned = 1"
    found = select(
        connection,
        f"r.{OPEN_SQL} AND r.state = 'found' AND {lane}",
        key,
        tail=f"ORDER BY {'r.attempts, r.id' if least_tried else 'r.id'} LIMIT {int(limit)}",
    )
    if len(found) < limit:
        found += select(
            connection,
            f"r.{OPEN_SQL} AND r.state = 'waiting' AND {lane} AND r.retry_at <= ?",
            (*key, now),
            tail=f"ORDER BY {'r.attempts, r.id' if least_tried else 'r.retry_at'} LIMIT {int(limit) - len(found)}",
        )
    return found


def begin(
    connection: sqlite3.Connection,
    claimed: Iterable[tuple[Recording, str]],
    *,
    single_up_to: int,
    now: float,
    carried: Callable[[int], str | None] = lambda _size: None,
) -> list[tuple[int | None, list[Attempt]]]:
    """Move each to `uploading` under its key; its new attempt and the earlier ones whose outcome matters.

    A file larger than `single_up_to` bytes gets its attempt when its multipart upload has an id; the others' attempts
    carry what `carried` says for their bytes.
    """
    group = list(claimed)
    for recording, _ in group:
        require_move(recording.state, _S.UPLOADING)
    earlier = [attempts_of(connection, recording.id) if recording.attempts else [] for recording, _ in group]
    for part in sql.groups(recording.id for recording, _ in group):
        connection.execute(
            "UPDATE recordings SET state='uploading', seq=seq+1, changed_at=?, attempts=attempts+1, retry_at=NULL"
            f" WHERE id IN ({sql.marks(part)})",
            (now, *part),
        )
    keys = [(recording.id, key) for recording, key in group if not recording.object_key]
    for rows in sql.groups(keys):
        connection.execute(f"INSERT INTO objects (recording_id, key) VALUES {sql.table(rows)}", sql.flat(rows))
    single = [(recording, key) for recording, key in group if recording.identity.size <= single_up_to]
    ids = insert_numbered(
        connection,
        "attempts",
        ATTEMPT_COLUMNS,
        [
            (
                recording.id,
                recording.destination_id,
                key,
                *recording.identity,
                "open",
                None,
                None,
                now,
                carried(recording.identity.size),
            )
            for recording, key in single
        ],
    )
    attempt = dict(zip((recording.id for recording, _ in single), ids, strict=True))
    return [(attempt.get(recording.id), before) for (recording, _), before in zip(group, earlier, strict=True)]


def apply(connection: sqlite3.Connection, changes: Iterable[Change], *, now: float) -> list[Change]:
    """Make the moves that still fit; those that were made."""
    wanted: dict[int, Change] = {}
    for change in changes:
        require_move(change.recording.state, change.after)
        wanted.setdefault(change.recording.id, change)
    made = [wanted[number] for number in _fitting(connection, [change.recording for change in wanted.values()])]
    _move(connection, made, now=now)
    note(
        connection,
        [stop_of(c.after, c.recording.sid, c.recording.path, c.error) for c in made if c.after in STOPS],
    )
    for objects in sql.groups((c.recording.id, *_stored_columns(c.stored)) for c in made if c.stored is not None):
        connection.execute(
            f"WITH v (id, url, etag, sum, algorithm, version, sha, size, at, details) AS (VALUES {sql.table(objects)})"
            " UPDATE objects SET media_url=v.url, etag=v.etag, checksum=v.sum, checksum_algorithm=v.algorithm,"
            " version_id=v.version, sha256=v.sha, size=v.size, stored_at=v.at, encryption_details=v.details"
            " FROM v WHERE recording_id=v.id AND number=0",
            sql.flat(objects),
        )
    ended = [(c.attempt_id, c.outcome.value) for c in made if c.attempt_id is not None and c.outcome is not None]
    for attempts in sql.groups(ended):
        connection.execute(
            f"WITH v (id, outcome) AS (VALUES {sql.table(attempts)})"
            " UPDATE attempts SET outcome=v.outcome FROM v WHERE attempts.id=v.id",
            sql.flat(attempts),
        )
    for ids in sql.groups(c.recording.id for c in made if c.after is _S.DELETED):  # of any life: it has no other
        connection.execute(
            "UPDATE attempts SET outcome='abandoned' WHERE outcome='open' AND upload_id IS NOT NULL"
            f" AND recording_id IN ({sql.marks(ids)})",
            tuple(ids),
        )
    return made


def _move(connection: sqlite3.Connection, made: Iterable[Change], *, now: float) -> None:
    """Those that went well differ in nothing but the state, and a list of ids costs a third of a table of values."""
    well: dict[RecordingState, list[int]] = {}
    others: list[tuple[Any, ...]] = []
    for c in made:
        if c.error is None and c.retry_at is None and c.failing_since is None and not c.failures:
            well.setdefault(c.after, []).append(c.recording.id)
        else:
            columns = (c.recording.id, c.after.value, c.retry_at, c.failures, c.failing_since, *error_columns(c.error))
            others.append(columns)
    for after, ids in well.items():
        for group in sql.groups(ids):
            connection.execute(
                "UPDATE recordings SET state=?, seq=seq+1, changed_at=?, retry_at=NULL, failures=0, failing_since=NULL,"
                f" error_kind=NULL, error_code=NULL, error_message=NULL WHERE id IN ({sql.marks(group)})",
                (after.value, now, *group),
            )
    for rows in sql.groups(others):
        connection.execute(
            f"WITH v (id, after, retry_at, failures, since, kind, code, message) AS (VALUES {sql.table(rows)})"
            " UPDATE recordings SET state=v.after, seq=seq+1, changed_at=?, retry_at=v.retry_at, failures=v.failures,"
            " failing_since=v.since, error_kind=v.kind, error_code=v.code, error_message=v.message"
            " FROM v WHERE recordings.id=v.id",
            (*sql.flat(rows), now),
        )


def rename(connection: sqlite3.Connection, number: int, *, path: str, identity: Identity, now: float) -> bool:
    """The recording's file has another name; False where it is over, or the file is not what is stored.

    If it was missed, it is found again. What is parked because it changed after it was stored stays behind: under its
    new name it is a recording of its own.
    """
    cursor = connection.execute(
        f"UPDATE recordings SET path=?, seq=seq+1 WHERE id=? AND {OPEN_SQL} AND inode=? AND size=? AND mtime_ns=?"
        " AND (state IN ('stored', 'reported') OR NOT EXISTS"
        " (SELECT 1 FROM objects o WHERE o.recording_id=recordings.id AND o.stored_at IS NOT NULL))",
        (path, number, *identity),
    )
    if not cursor.rowcount:
        return False
    require_move(_S.PARKED, _S.FOUND)
    connection.execute(
        "UPDATE recordings SET state='found', changed_at=?, retry_at=NULL, error_kind=NULL, error_code=NULL,"
        " error_message=NULL WHERE id=? AND state='parked' AND error_code=? AND pinned=1",
        (now, number, Reason.FILE_MISSING.value),
    )
    return True


def miss(connection: sqlite3.Connection, numbers: Collection[int], *, now: float) -> None:
    """The files of recordings that are awaited anew are gone: that is told, and they are found again with them."""
    require_move(_S.WAITING, _S.PARKED)
    for group in sql.groups(numbers):
        cursor = connection.execute(
            "UPDATE recordings SET state='parked', seq=seq+1, changed_at=?, retry_at=NULL, error_kind=?, error_code=?,"
            f" error_message=? WHERE id IN ({sql.marks(group)}) AND state='waiting' AND error_code=?{RETURNING}",
            (
                now,
                FailureClass.FILE.value,
                Reason.FILE_MISSING.value,
                REMOVED,
                *group,
                Reason.CHANGED_WHILE_UPLOADING.value,
            ),
        )
        note_moved(connection, _S.PARKED, cursor)


def stay(connection: sqlite3.Connection, stuck: Iterable[Change], *, now: float) -> None:
    """Note why recordings can't leave the state that they are in, and when that is tried again.

    Others hear of it when it is something new, not of every try.
    """
    values = [(c.recording.id, c.recording.state.value, c.retry_at, c.failures, *error_columns(c.error)) for c in stuck]
    for group in sql.groups(values):
        connection.execute(
            "WITH v (id, state, retry_at, failures, kind, code, message) AS"
            f" (VALUES {sql.table(group)}) UPDATE recordings SET"
            " seq=seq + (error_message IS NOT v.message), changed_at=?, retry_at=v.retry_at, failures=v.failures,"
            " error_kind=v.kind, error_code=v.code, error_message=v.message"
            " FROM v WHERE recordings.id=v.id AND recordings.state=v.state",
            (*sql.flat(group), now),
        )


def report(connection: sqlite3.Connection, recordings: Collection[Recording], *, now: float) -> list[Recording]:
    """Move `stored` ones to `reported` if they are still what was told of them; those that moved, as they are now."""
    by_id = {one.id: one for one in recordings}
    told = [by_id[number] for number in _fitting(connection, by_id.values(), same_seq=True)]
    for one in told:
        require_move(one.state, _S.REPORTED)
    for group in sql.groups(one.id for one in told):
        connection.execute(
            "UPDATE recordings SET state='reported', seq=seq+1, told_seq=seq+1, changed_at=?"
            f" WHERE id IN ({sql.marks(group)})",
            (now, *group),
        )
    return [one._replace(state=_S.REPORTED, seq=one.seq + 1) for one in told]


def set_told(connection: sqlite3.Connection, recordings: Collection[Recording]) -> None:
    """The receiver of reports has heard of them as they are given."""
    for group in sql.groups((one.id, one.seq) for one in recordings):
        connection.execute(
            f"WITH v (id, seq) AS (VALUES {sql.table(group)})"
            " UPDATE recordings SET told_seq=max(told_seq, v.seq) FROM v WHERE recordings.id=v.id",
            sql.flat(group),
        )


def _fitting(connection: sqlite3.Connection, recordings: Collection[Recording], *, same_seq: bool = False) -> list[int]:
    """The ids of those that are in the same state still, with `same_seq` wholly unchanged; in their order."""
    found: list[int] = []
    unchanged = " AND r.seq=v.seq" if same_seq else ""
    for group in sql.groups((one.id, one.state.value, one.seq) for one in recordings):
        fits = (
            f"WITH v (id, state, seq) AS (VALUES {sql.table(group)}) SELECT {{}} FROM v"
            f" JOIN recordings r ON r.id=v.id AND r.state=v.state{unchanged}"
        )
        values = sql.flat(group)
        if connection.execute(fits.format("count(*)"), values).fetchone()[0] == len(group):
            found += [row[0] for row in group]  # nearly always, and one step instead of one for each
        else:
            there = {row[0] for row in connection.execute(fits.format("r.id"), values)}
            found += [row[0] for row in group if row[0] in there]
    return found


def _stored_columns(stored: StoredFacts) -> tuple[Any, ...]:
    details = json.dumps(dict(stored.encryption_details)) if stored.encryption_details else None
    algorithm, value = stored.checksum or (None, None)
    return (
        stored.media_url,
        stored.etag,
        value,
        algorithm,
        stored.version_id or None,
        stored.sha256,
        stored.size,
        stored.stored_at,
        details,
    )


def retry(
    connection: sqlite3.Connection, *, sids: Collection[str] | None, now: float, account_sid: str = ""
) -> list[str]:
    """Make found again what is parked, rejected, held or waiting for its turn; the sids that moved.

    What waits for a plan goes on waiting for it.
    """
    condition = f"{OPEN_SQL} AND state IN ('parked', 'rejected', 'held', 'waiting') AND pinned = 1"
    parameters: list[Any] = []
    if account_sid:
        condition += " AND account_sid = ?"
        parameters.append(account_sid)
    groups: Iterable[list[str] | None] = [None] if sids is None else sql.groups(sids)
    moved: list[str] = []
    for group in groups:
        within = f" AND sid IN ({','.join('?' * len(group))})" if group is not None else ""
        cursor = connection.execute(
            "UPDATE recordings SET state='found', seq=seq+1, changed_at=?, retry_at=NULL, failures=0,"
            f" failing_since=NULL, error_kind=NULL, error_code=NULL, error_message=NULL WHERE {condition}{within}"
            " RETURNING sid",
            (now, *parameters, *(group or ())),
        )
        moved += [row[0] for row in cursor]
    return moved
