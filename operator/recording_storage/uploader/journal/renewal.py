"""A recording whose file is looked at again: found again, ended for another one, or forgotten to be entered anew."""

# ruff: noqa: S608 - conditions are put together from our own constants; values are always parameters
from __future__ import annotations

from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.recording import MENDABLE, WAITS_FOR_PLAN, Identity, Reason
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.on_commit import RETURNING, Stop, note_moved
from recording_storage.uploader.journal.pinning import WAITS_SQL

if TYPE_CHECKING:
    import sqlite3

_WRONG = ",".join(f"'{code}'" for code in sorted(MENDABLE - WAITS_FOR_PLAN))
_MENDED = f"inode<>? OR size<>? OR mtime_ns<>? OR error_code IN ({_WRONG})"
"""The file is another than it was, or it was the file that was wrong."""


def find_again(connection: sqlite3.Connection, number: int, present: Identity, *, now: float) -> bool:
    """Make an entry found again with the file as it is now; False when its metadata has to be read anew."""
    stored = connection.execute(
        "SELECT r.inode, r.size, r.mtime_ns FROM recordings r JOIN objects o ON o.recording_id=r.id"
        " WHERE r.id=? AND o.stored_at IS NOT NULL",
        (number,),
    ).fetchone()
    identity = present
    if stored is not None and identity.inode != stored[0] and identity[1:] != stored[1:]:
        identity = Identity(*stored)  # what is stored was another file, which is gone: this one is no part of it
    cursor = connection.execute(
        "UPDATE recordings SET state='found', seq=seq+1, changed_at=?, inode=?, size=?, mtime_ns=?, retry_at=NULL,"
        " error_kind=NULL, error_code=NULL, error_message=NULL"
        f" WHERE id=? AND state IN ('parked', 'rejected', 'waiting') AND pinned=1 AND ({_MENDED})",
        (now, *identity, number, *present),
    )
    if cursor.rowcount == 1:
        return True
    # its destination is held: it goes on waiting for that, as the file that it is now
    cursor = connection.execute(
        "UPDATE recordings SET inode=?, size=?, mtime_ns=? WHERE id=? AND state IN ('found', 'held')",
        (*identity, number),
    )
    return cursor.rowcount == 1


def end_superseded(connection: sqlite3.Connection, number: int, entry: records.NewRecording, *, now: float) -> bool:
    """End a recording whose key may hold what its file was before, never claimed: the file is another recording now.

    Its own sid gives it a key of its own: nothing is overwritten. A sid that the metadata names can't be changed.
    """
    if "recording_sid" in entry.metadata:
        return False
    message = f"the file changed while it was sent; what it is now is the recording {entry.sid}"
    cursor = connection.execute(
        "UPDATE recordings SET state='deleted', seq=seq+1, changed_at=?, retry_at=NULL, error_kind=?, error_code=?,"
        " error_message=? WHERE id=? AND state IN ('parked', 'rejected', 'waiting', 'held', 'found')"
        " AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.recording_id=recordings.id AND o.stored_at IS NOT NULL)"
        " AND EXISTS (SELECT 1 FROM attempts a WHERE a.recording_id=recordings.id"
        " AND (a.outcome='uncertain' OR a.outcome='open' AND a.upload_id IS NULL AND a.carried IS NOT ?)"
        f" AND (a.inode<>? OR a.size<>? OR a.mtime_ns<>?)){RETURNING}",
        (
            now,
            FailureClass.FILE.value,
            Reason.CHANGED_WHILE_UPLOADING.value,
            message,
            number,
            records.IN_PARTS,
            *entry.identity,
        ),
    )
    return note_moved(connection, RecordingState.DELETED, cursor) == 1


def forget_wrong(connection: sqlite3.Connection, number: int, forgotten: list[Stop]) -> bool:
    """Remove an entry that the store was not told of, to enter its file anew; what the log has said of it."""
    cursor = connection.execute(
        f"DELETE FROM recordings WHERE id=? AND state='parked' AND pinned=0 AND account_sid=''{RETURNING}", (number,)
    )
    stops = [Stop(RecordingState.PARKED, *columns) for columns in cursor]
    forgotten += stops
    return bool(stops)


def forget_planless(connection: sqlite3.Connection, number: int, entry: records.NewRecording) -> bool:
    """The same for one that waits for its account's plan, if it says something else of itself by now.

    It may have named the wrong account, for which a plan never comes.
    """
    cursor = connection.execute(
        f"DELETE FROM recordings WHERE id=? AND {WAITS_SQL} AND told_seq=0"
        " AND (metadata<>? OR inode<>? OR size<>? OR mtime_ns<>?)",
        (number, records.metadata_text(entry.metadata), *entry.identity),
    )
    return cursor.rowcount == 1
