"""The journal's statements: functions over a connection, each called inside a transaction of the journal's thread."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from recording_storage.domain.states import Product, RecordingState, require_move
from recording_storage.uploader.entry import EntryError, Identity, Recording, StoredFacts, Tally

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

_S = RecordingState
_COLUMNS = (
    "r.id, r.sid, r.account_sid, r.product, r.path, r.state, r.seq, r.inode, r.size, r.mtime_ns, r.content_type,"
    " r.found_at, r.changed_at, r.metadata, r.destination_id, r.pinned, r.attempts, r.retry_at, r.failures,"
    " r.failing_since, r.error_kind, r.error_code, r.error_message,"
    " o.key, o.media_url, o.etag, o.checksum, o.sha256, o.size, o.stored_at, o.encryption_details, r.told_seq"
)
_FROM = "FROM recordings r LEFT JOIN objects o ON o.recording_id = r.id AND o.number = 0"
_ATTEMPT_COLUMNS = "recording_id, destination_id, key, inode, size, mtime_ns, outcome, upload_id, part_size, started_at"
OPEN_SQL = "state NOT IN ('released', 'deleted')"
"""As in the partial index `recordings_open`, word for word."""


class AttemptOutcome(StrEnum):
    """What is known of an attempt."""

    OPEN = "open"
    """Begun. After a crash: of unknown outcome, as is `uncertain`."""
    UNCERTAIN = "uncertain"
    """It ended without an answer that tells whether it took effect."""
    FAILED = "failed"
    """It certainly had no effect."""
    STORED = "stored"
    ABANDONED = "abandoned"
    """Its multipart upload is still to be aborted."""
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of the attempts."""

    id: int
    key: str
    identity: Identity
    outcome: AttemptOutcome
    upload_id: str | None = None
    part_size: int | None = None


@dataclass(frozen=True, slots=True)
class NewRecording:
    """What intake knows of a finished file."""

    sid: str
    account_sid: str
    product: Product
    path: str
    identity: Identity
    content_type: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    state: RecordingState = RecordingState.FOUND
    pinned: bool = False
    destination_id: str | None = None
    error: EntryError | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A move of one recording, and what goes with it."""

    recording: Recording
    """As it was; nothing is changed when its state is another by now."""
    after: RecordingState
    error: EntryError | None = None
    retry_at: float | None = None
    failures: int = 0
    failing_since: float | None = None
    stored: StoredFacts | None = None
    attempt_id: int | None = None
    outcome: AttemptOutcome | None = None
    """Of the attempt."""


def replaced(new: NewRecording, **fields: Any) -> NewRecording:
    """The same with other fields."""
    return replace(new, **fields)


def moved(recording: Recording, state: RecordingState) -> Recording:
    """The same after a move."""
    return replace(recording, state=state, seq=recording.seq + 1)


def error_columns(error: EntryError | None) -> tuple[str | None, str | None, str | None]:
    return (error.kind, error.code, error.message) if error is not None else (None, None, None)


def recording_of(row: Sequence[Any]) -> Recording:
    stored = None
    if row[29] is not None:
        stored = StoredFacts(
            media_url=row[24],
            etag=row[25],
            checksum=row[26],
            sha256=row[27],
            size=row[28],
            stored_at=row[29],
            encryption_details=json.loads(row[30]) if row[30] else None,
        )
    return Recording(
        id=row[0],
        sid=row[1],
        account_sid=row[2],
        product=Product(row[3]),
        path=row[4],
        state=_S(row[5]),
        seq=row[6],
        identity=Identity(row[7], row[8], row[9]),
        content_type=row[10],
        found_at=row[11],
        changed_at=row[12],
        metadata=json.loads(row[13]) if row[13] != "{}" else {},
        destination_id=row[14],
        pinned=bool(row[15]),
        attempts=row[16],
        retry_at=row[17],
        failures=row[18],
        failing_since=row[19],
        error=EntryError(row[20], row[21], row[22]) if row[21] is not None else None,
        object_key=row[23] or "",
        told_seq=row[31],
        stored=stored,
    )


def select(
    connection: sqlite3.Connection, where: str, parameters: Sequence[Any] = (), *, tail: str = ""
) -> list[Recording]:
    """Recordings for a condition over `r` and `o`."""
    cursor = connection.execute(f"SELECT {_COLUMNS} {_FROM} WHERE {where} {tail}", parameters)
    return [recording_of(row) for row in cursor]


def add(connection: sqlite3.Connection, new: Iterable[NewRecording], *, now: float) -> list[int]:
    """Enter recordings; their ids, in the order given. The sids must be free (see `taken_sids`)."""
    ids = []
    for one in new:
        cursor = connection.execute(
            "INSERT INTO recordings (sid, account_sid, product, path, state, inode, size, mtime_ns, content_type,"
            " metadata, found_at, changed_at, pinned, destination_id, error_kind, error_code, error_message)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                one.sid,
                one.account_sid,
                one.product.value,
                one.path,
                one.state.value,
                *one.identity,
                one.content_type,
                json.dumps(one.metadata, separators=(",", ":")) if one.metadata else "{}",
                now,
                now,
                one.pinned,
                one.destination_id,
                *error_columns(one.error),
            ),
        )
        assert cursor.lastrowid is not None
        ids.append(cursor.lastrowid)
    return ids


def taken_sids(connection: sqlite3.Connection, sids: Collection[str]) -> set[str]:
    """Which of the sids the journal has."""
    found: set[str] = set()
    wanted = list(sids)
    for start in range(0, len(wanted), 500):
        group = wanted[start : start + 500]
        marks = ",".join("?" * len(group))
        found.update(row[0] for row in connection.execute(f"SELECT sid FROM recordings WHERE sid IN ({marks})", group))
    return found


def claim(
    connection: sqlite3.Connection, *, account_sid: str, destination_id: str | None, now: float, limit: int
) -> list[Recording]:
    """Recordings of a destination whose turn it is, oldest first; nothing is moved yet."""
    lane = "r.account_sid = ? AND r.destination_id IS ? AND r.pinned = 1"
    found = select(
        connection,
        f"r.{OPEN_SQL} AND r.state = 'found' AND {lane}",
        (account_sid, destination_id),
        tail=f"ORDER BY r.id LIMIT {int(limit)}",
    )
    if len(found) < limit:
        found += select(
            connection,
            f"r.{OPEN_SQL} AND r.state = 'waiting' AND {lane} AND r.retry_at <= ?",
            (account_sid, destination_id, now),
            tail=f"ORDER BY r.retry_at LIMIT {int(limit) - len(found)}",
        )
    return found


def begin(
    connection: sqlite3.Connection, claimed: Iterable[tuple[Recording, str]], *, single_up_to: int, now: float
) -> list[tuple[int | None, list[Attempt]]]:
    """Move each to `uploading` under its key; its new attempt and the earlier ones whose outcome matters.

    A file larger than `single_up_to` bytes gets its attempt when its multipart upload has an id.
    """
    group = list(claimed)
    for recording, _ in group:
        require_move(recording.state, _S.UPLOADING)
    earlier = [attempts_of(connection, recording.id) if recording.attempts else [] for recording, _ in group]
    connection.executemany(
        "UPDATE recordings SET state='uploading', seq=seq+1, changed_at=?, attempts=attempts+1, retry_at=NULL"
        " WHERE id=?",
        [(now, recording.id) for recording, _ in group],
    )
    connection.executemany(
        "INSERT INTO objects (recording_id, key) VALUES (?,?)",
        [(recording.id, key) for recording, key in group if not recording.object_key],
    )
    # numbered here, so that one statement enters them all: this thread is the only one that writes
    number = itertools.count(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM attempts").fetchone()[0])
    ids = [next(number) if recording.identity.size <= single_up_to else None for recording, _ in group]
    connection.executemany(
        f"INSERT INTO attempts (id, {_ATTEMPT_COLUMNS}) VALUES (?,?,?,?,?,?,?,'open',NULL,NULL,?)",
        [
            (attempt_id, recording.id, recording.destination_id, key, *recording.identity, now)
            for attempt_id, (recording, key) in zip(ids, group, strict=True)
            if attempt_id is not None
        ],
    )
    return list(zip(ids, earlier, strict=True))


def add_attempt(
    connection: sqlite3.Connection,
    recording: Recording,
    *,
    key: str,
    now: float,
    upload_id: str | None = None,
    part_size: int | None = None,
) -> int:
    cursor = connection.execute(
        f"INSERT INTO attempts ({_ATTEMPT_COLUMNS}) VALUES (?,?,?,?,?,?,'open',?,?,?)",
        (recording.id, recording.destination_id, key, *recording.identity, upload_id, part_size, now),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def attempts_of(connection: sqlite3.Connection, recording_id: int) -> list[Attempt]:
    """Those that may have left something at the destination."""
    cursor = connection.execute(
        "SELECT id, key, inode, size, mtime_ns, outcome, upload_id, part_size FROM attempts"
        " WHERE recording_id = ? AND outcome IN ('open', 'uncertain', 'abandoned') ORDER BY id",
        (recording_id,),
    )
    return [Attempt(r[0], r[1], Identity(r[2], r[3], r[4]), AttemptOutcome(r[5]), r[6], r[7]) for r in cursor]


def set_attempt(
    connection: sqlite3.Connection, attempt_id: int, *, outcome: AttemptOutcome, upload_id: str | None = None
) -> None:
    connection.execute(
        "UPDATE attempts SET outcome = ?, upload_id = coalesce(?, upload_id) WHERE id = ?",
        (outcome.value, upload_id, attempt_id),
    )


def apply(connection: sqlite3.Connection, changes: Iterable[Change], *, now: float) -> list[Change]:
    """Make the moves that still fit; those that were made."""
    made = []
    for change in changes:
        require_move(change.recording.state, change.after)
        cursor = connection.execute(
            "UPDATE recordings SET state=?, seq=seq+1, changed_at=?, retry_at=?, failures=?, failing_since=?,"
            " error_kind=?, error_code=?, error_message=? WHERE id=? AND state=?",
            (
                change.after.value,
                now,
                change.retry_at,
                change.failures,
                change.failing_since,
                *error_columns(change.error),
                change.recording.id,
                change.recording.state.value,
            ),
        )
        if cursor.rowcount != 1:
            continue
        made.append(change)
        if change.stored is not None:
            _set_stored(connection, change.recording.id, change.stored)
        if change.attempt_id is not None and change.outcome is not None:
            set_attempt(connection, change.attempt_id, outcome=change.outcome)
    return made


def _set_stored(connection: sqlite3.Connection, recording_id: int, stored: StoredFacts) -> None:
    details = json.dumps(dict(stored.encryption_details)) if stored.encryption_details else None
    connection.execute(
        "UPDATE objects SET media_url=?, etag=?, checksum=?, sha256=?, size=?, stored_at=?, encryption_details=?"
        " WHERE recording_id=? AND number=0",
        (
            stored.media_url,
            stored.etag,
            stored.checksum,
            stored.sha256,
            stored.size,
            stored.stored_at,
            details,
            recording_id,
        ),
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
    groups: list[list[str] | None] = [None]
    if sids is not None:
        wanted = list(sids)
        groups = [wanted[start : start + 500] for start in range(0, len(wanted), 500)]
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


def tallies(connection: sqlite3.Connection) -> dict[RecordingState, Tally]:
    """Counts and bytes of the unfinished ones, by state."""
    cursor = connection.execute(f"SELECT state, count(*), sum(size) FROM recordings WHERE {OPEN_SQL} GROUP BY state")
    return {_S(state): Tally(count, size) for state, count, size in cursor}


def oldest(connection: sqlite3.Connection) -> float | None:
    row = connection.execute(f"SELECT min(found_at) FROM recordings WHERE {OPEN_SQL}").fetchone()
    return None if row[0] is None else float(row[0])
