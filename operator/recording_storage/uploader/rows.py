"""The journal's statements: functions over a connection, each called inside a transaction of the journal's thread."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

import itertools
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from recording_storage.domain.states import Product, RecordingState, require_move
from recording_storage.uploader import bulk
from recording_storage.uploader.entry import NO_METADATA, EntryError, Identity, Recording, StoredFacts, Tally
from recording_storage.uploader.ports import StateReason

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


class Attempt(NamedTuple):
    """A row of the attempts."""

    id: int
    key: str
    identity: Identity
    outcome: AttemptOutcome
    upload_id: str | None = None
    part_size: int | None = None

    @property
    def is_unknown(self) -> bool:
        """It may have made an object without our hearing of it."""
        return self.outcome in {AttemptOutcome.OPEN, AttemptOutcome.UNCERTAIN}


class NewRecording(NamedTuple):
    """What intake knows of a finished file."""

    sid: str
    account_sid: str
    product: Product
    path: str
    identity: Identity
    content_type: str
    metadata: Mapping[str, Any] = NO_METADATA
    state: RecordingState = RecordingState.FOUND
    pinned: bool = False
    destination_id: str | None = None
    error: EntryError | None = None


class Change(NamedTuple):
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
    return new._replace(**fields)


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
        metadata=json.loads(row[13]) if row[13] != "{}" else NO_METADATA,
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
    entries = [
        (
            one.sid,
            one.account_sid,
            one.product.value,
            one.path,
            one.state.value,
            *one.identity,
            one.content_type,
            metadata_text(one.metadata),
            now,
            now,
            one.pinned,
            one.destination_id,
            *error_columns(one.error),
        )
        for one in new
    ]
    return _insert_numbered(
        connection,
        "recordings",
        "sid, account_sid, product, path, state, inode, size, mtime_ns, content_type, metadata, found_at, changed_at,"
        " pinned, destination_id, error_kind, error_code, error_message",
        entries,
    )


def _insert_numbered(
    connection: sqlite3.Connection, table: str, columns: str, entries: Sequence[tuple[Any, ...]]
) -> list[int]:
    """Insert rows; their ids, given here so that one statement enters many: this thread is the only one that writes."""
    number = itertools.count(connection.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0])
    numbered = [(next(number), *entry) for entry in entries]
    for group in bulk.groups(numbered):
        connection.execute(f"INSERT INTO {table} (id, {columns}) VALUES {bulk.table(group)}", bulk.flat(group))
    return [entry[0] for entry in numbered]


def metadata_text(fields: Mapping[str, Any]) -> str:
    """As it stands in the journal."""
    return json.dumps(fields, separators=(",", ":")) if fields else "{}"


def taken_sids(connection: sqlite3.Connection, sids: Collection[str]) -> set[str]:
    """Which of the sids the journal has."""
    found: set[str] = set()
    for group in bulk.groups(sids):
        query = f"SELECT sid FROM recordings WHERE sid IN ({bulk.marks(group)})"
        found.update(row[0] for row in connection.execute(query, group))
    return found


def claim(
    connection: sqlite3.Connection,
    *,
    account_sid: str,
    destination_id: str | None,
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
        (account_sid, destination_id),
        tail=f"ORDER BY {'r.attempts, r.id' if least_tried else 'r.id'} LIMIT {int(limit)}",
    )
    if len(found) < limit:
        found += select(
            connection,
            f"r.{OPEN_SQL} AND r.state = 'waiting' AND {lane} AND r.retry_at <= ?",
            (account_sid, destination_id, now),
            tail=f"ORDER BY {'r.attempts, r.id' if least_tried else 'r.retry_at'} LIMIT {int(limit) - len(found)}",
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
    for part in bulk.groups(recording.id for recording, _ in group):
        connection.execute(
            "UPDATE recordings SET state='uploading', seq=seq+1, changed_at=?, attempts=attempts+1, retry_at=NULL"
            f" WHERE id IN ({bulk.marks(part)})",
            (now, *part),
        )
    keys = [(recording.id, key) for recording, key in group if not recording.object_key]
    for rows in bulk.groups(keys):
        connection.execute(f"INSERT INTO objects (recording_id, key) VALUES {bulk.table(rows)}", bulk.flat(rows))
    single = [(recording, key) for recording, key in group if recording.identity.size <= single_up_to]
    ids = _insert_numbered(
        connection,
        "attempts",
        _ATTEMPT_COLUMNS,
        [
            (recording.id, recording.destination_id, key, *recording.identity, "open", None, None, now)
            for recording, key in single
        ],
    )
    attempt = dict(zip((recording.id for recording, _ in single), ids, strict=True))
    return [(attempt.get(recording.id), before) for (recording, _), before in zip(group, earlier, strict=True)]


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
    wanted: dict[int, Change] = {}
    for change in changes:
        require_move(change.recording.state, change.after)
        wanted.setdefault(change.recording.id, change)
    made = [wanted[number] for number in _fitting(connection, [change.recording for change in wanted.values()])]
    moves = [
        (c.recording.id, c.after.value, c.retry_at, c.failures, c.failing_since, *error_columns(c.error)) for c in made
    ]
    for group in bulk.groups(moves):
        connection.execute(
            f"WITH v (id, after, retry_at, failures, since, kind, code, message) AS (VALUES {bulk.table(group)})"
            " UPDATE recordings SET state=v.after, seq=seq+1, changed_at=?, retry_at=v.retry_at, failures=v.failures,"
            " failing_since=v.since, error_kind=v.kind, error_code=v.code, error_message=v.message"
            " FROM v WHERE recordings.id=v.id",
            (*bulk.flat(group), now),
        )
    for objects in bulk.groups((c.recording.id, *_stored_columns(c.stored)) for c in made if c.stored is not None):
        connection.execute(
            f"WITH v (id, url, etag, sum, sha, size, at, details) AS (VALUES {bulk.table(objects)})"
            " UPDATE objects SET media_url=v.url, etag=v.etag, checksum=v.sum, sha256=v.sha, size=v.size,"
            " stored_at=v.at, encryption_details=v.details FROM v WHERE recording_id=v.id AND number=0",
            bulk.flat(objects),
        )
    ended = [(c.attempt_id, c.outcome.value) for c in made if c.attempt_id is not None and c.outcome is not None]
    for attempts in bulk.groups(ended):
        connection.execute(
            f"WITH v (id, outcome) AS (VALUES {bulk.table(attempts)})"
            " UPDATE attempts SET outcome=v.outcome FROM v WHERE attempts.id=v.id",
            bulk.flat(attempts),
        )
    return made


def report(connection: sqlite3.Connection, recordings: Collection[Recording], *, now: float) -> list[Recording]:
    """Move `stored` ones to `reported` if they are still what was told of them; those that moved, as they are now."""
    by_id = {one.id: one for one in recordings}
    told = [by_id[number] for number in _fitting(connection, by_id.values(), same_seq=True)]
    for one in told:
        require_move(one.state, _S.REPORTED)
    for group in bulk.groups(one.id for one in told):
        connection.execute(
            "UPDATE recordings SET state='reported', seq=seq+1, told_seq=seq+1, changed_at=?"
            f" WHERE id IN ({bulk.marks(group)})",
            (now, *group),
        )
    return [one._replace(state=_S.REPORTED, seq=one.seq + 1) for one in told]


def set_told(connection: sqlite3.Connection, recordings: Collection[Recording]) -> None:
    """The receiver of reports has heard of them as they are given."""
    for group in bulk.groups((one.id, one.seq) for one in recordings):
        connection.execute(
            f"WITH v (id, seq) AS (VALUES {bulk.table(group)})"
            " UPDATE recordings SET told_seq=max(told_seq, v.seq) FROM v WHERE recordings.id=v.id",
            bulk.flat(group),
        )


def _fitting(connection: sqlite3.Connection, recordings: Collection[Recording], *, same_seq: bool = False) -> list[int]:
    """The ids of those that are in the same state still, with `same_seq` wholly unchanged; in their order."""
    found: list[int] = []
    unchanged = " AND r.seq=v.seq" if same_seq else ""
    for group in bulk.groups((one.id, one.state.value, one.seq) for one in recordings):
        fits = (
            f"WITH v (id, state, seq) AS (VALUES {bulk.table(group)}) SELECT {{}} FROM v"
            f" JOIN recordings r ON r.id=v.id AND r.state=v.state{unchanged}"
        )
        values = bulk.flat(group)
        if connection.execute(fits.format("count(*)"), values).fetchone()[0] == len(group):
            found += [row[0] for row in group]  # nearly always, and one step instead of one for each
        else:
            there = {row[0] for row in connection.execute(fits.format("r.id"), values)}
            found += [row[0] for row in group if row[0] in there]
    return found


def _stored_columns(stored: StoredFacts) -> tuple[Any, ...]:
    details = json.dumps(dict(stored.encryption_details)) if stored.encryption_details else None
    return (stored.media_url, stored.etag, stored.checksum, stored.sha256, stored.size, stored.stored_at, details)


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
    groups: Iterable[list[str] | None] = [None] if sids is None else bulk.groups(sids)
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
