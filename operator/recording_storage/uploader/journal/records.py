"""The journal's statements: functions over a connection, each called inside a transaction of the journal's thread."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

import itertools
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from recording_storage.domain.checksum import Checksum
from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.core.recording import NO_METADATA, EntryError, Identity, Recording, StoredFacts
from recording_storage.uploader.journal import sql
from recording_storage.uploader.journal.on_commit import STOPS, note, stop_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from recording_storage.uploader.journal.on_commit import Stop

_S = RecordingState
_STATES = {state.value: state for state in RecordingState}
_PRODUCTS = {product.value: product for product in Product}
_COLUMNS = (
    "r.id, r.sid, r.account_sid, r.product, r.path, r.state, r.seq, r.inode, r.size, r.mtime_ns, r.content_type,"
    " r.found_at, r.changed_at, r.metadata, r.destination_id, r.pinned, r.attempts, r.retry_at, r.failures,"
    " r.failing_since, r.error_kind, r.error_code, r.error_message,"
    " o.key, o.media_url, o.etag, o.checksum, o.sha256, o.size, o.stored_at, o.encryption_details, r.told_seq,"
    " o.checksum_algorithm, o.version_id"
)
_FROM = "FROM recordings r LEFT JOIN objects o ON o.recording_id = r.id AND o.number = 0"
ATTEMPT_COLUMNS = (
    "recording_id, destination_id, key, inode, size, mtime_ns, outcome, upload_id, part_size, started_at, carried"
)
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


TRUSTED = "trusted"
"""An attempt's `carried` where the server vouches for nothing, and somebody has said to trust it."""
IN_PARTS = "in parts"
"""One of a small file that goes so: it sends nothing itself, and may have begun an upload whose id nobody knows."""
OURS = "ours"
"""One whose object was acknowledged, and is not proved or may have been sent over: it is ours, and is replaced by one
that is proved."""


class Attempt(NamedTuple):
    """A row of the attempts."""

    id: int
    key: str
    identity: Identity
    outcome: AttemptOutcome
    upload_id: str | None = None
    part_size: int | None = None
    carried: str | None = None
    """What vouches for its bytes: a `Voucher`, or TRUSTED; whatever else it is, nothing does."""

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


def error_columns(error: EntryError | None) -> tuple[str | None, str | None, str | None]:
    return (error.kind, error.code, error.message) if error is not None else (None, None, None)


def recording_of(row: Sequence[Any]) -> Recording:
    stored = None
    if row[29] is not None:
        stored = StoredFacts(
            media_url=row[24],
            etag=row[25],
            checksum=Checksum(row[32], row[26]) if row[26] else None,
            sha256=row[27],
            size=row[28],
            stored_at=row[29],
            version_id=row[33] or "",
            encryption_details=json.loads(row[30]) if row[30] else None,
        )
    return Recording(
        id=row[0],
        sid=row[1],
        account_sid=row[2],
        product=_PRODUCTS[row[3]],
        path=row[4],
        state=_STATES[row[5]],
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


def add(
    connection: sqlite3.Connection, new: Iterable[NewRecording], *, now: float, told: Collection[Stop] = ()
) -> list[int]:
    """Enter recordings; their ids, in the order given. The sids must be free (see `taken_sids`).

    What stands in `told` was told when it was entered before, word for word.
    """
    new = list(new)
    stops = [stop_of(one.state, one.sid, one.path, one.error) for one in new if one.state in STOPS]
    note(connection, [stop for stop in stops if stop not in told])
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
    return insert_numbered(
        connection,
        "recordings",
        "sid, account_sid, product, path, state, inode, size, mtime_ns, content_type, metadata, found_at, changed_at,"
        " pinned, destination_id, error_kind, error_code, error_message",
        entries,
    )


def insert_numbered(
    connection: sqlite3.Connection, table: str, columns: str, entries: Sequence[tuple[Any, ...]]
) -> list[int]:
    """Insert rows; their ids, given here so that one statement enters many: this thread is the only one that writes."""
    number = itertools.count(connection.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0])
    numbered = [(next(number), *entry) for entry in entries]
    for group in sql.groups(numbered):
        connection.execute(f"INSERT INTO {table} (id, {columns}) VALUES {sql.table(group)}", sql.flat(group))
    return [entry[0] for entry in numbered]


def metadata_text(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":")) if fields else "{}"


def taken_sids(connection: sqlite3.Connection, sids: Collection[str]) -> set[str]:
    found: set[str] = set()
    for group in sql.groups(sids):
        query = f"SELECT sid FROM recordings WHERE sid IN ({sql.marks(group)})"
        found.update(row[0] for row in connection.execute(query, group))
    return found


def add_attempt(
    connection: sqlite3.Connection,
    recording: Recording,
    *,
    key: str,
    now: float,
    upload_id: str | None = None,
    part_size: int | None = None,
    carried: str | None = None,
) -> int:
    cursor = connection.execute(
        f"INSERT INTO attempts ({ATTEMPT_COLUMNS}) VALUES (?,?,?,?,?,?,'open',?,?,?,?)",
        (recording.id, recording.destination_id, key, *recording.identity, upload_id, part_size, now, carried),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def attempts_of(connection: sqlite3.Connection, recording_id: int) -> list[Attempt]:
    """Those that may have left something at the destination."""
    cursor = connection.execute(
        "SELECT id, key, inode, size, mtime_ns, outcome, upload_id, part_size, carried FROM attempts"
        " WHERE recording_id = ? AND outcome IN ('open', 'uncertain', 'abandoned') ORDER BY id",
        (recording_id,),
    )
    return [Attempt(r[0], r[1], Identity(r[2], r[3], r[4]), AttemptOutcome(r[5]), *r[6:]) for r in cursor]


def set_carried(connection: sqlite3.Connection, attempt_id: int, carried: str | None) -> None:
    connection.execute("UPDATE attempts SET carried = ? WHERE id = ?", (carried, attempt_id))


def set_ours(connection: sqlite3.Connection, attempt_id: int) -> None:
    connection.execute("UPDATE attempts SET carried = ?, outcome = 'uncertain' WHERE id = ?", (OURS, attempt_id))


def set_attempt(
    connection: sqlite3.Connection, attempt_id: int, *, outcome: AttemptOutcome, upload_id: str | None = None
) -> None:
    connection.execute(
        "UPDATE attempts SET outcome = ?, upload_id = coalesce(?, upload_id) WHERE id = ?",
        (outcome.value, upload_id, attempt_id),
    )
