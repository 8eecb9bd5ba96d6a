"""Whose an object is that has a recording's key already; it can't be asked without the right to read."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import Voucher
from recording_storage.domain.sids import SidPrefix, derived_sid
from recording_storage.uploader.entry import Reason
from recording_storage.uploader.rows import FALSE, OURS

if TYPE_CHECKING:
    from recording_storage.uploader.outcome import Task
    from recording_storage.uploader.proving import Lesson
    from recording_storage.uploader.upload import Surroundings


class Holder(StrEnum):
    PROVED = "proved"
    """It is ours, of just these bytes."""
    OURS = "ours"
    """It was acknowledged to us without proof: to be replaced."""
    DOUBTFUL = "doubtful"
    """It may be an attempt's that nothing vouches for."""
    ANOTHER = "another"


def holder(task: Task, *, lesson: Lesson, surroundings: Surroundings) -> Holder:
    """Whose it is, as far as the journal tells.

    Attempts of unknown outcome that sent just these bytes may have made it; it is proved where something vouches for
    each of them. Where the journal was lost and the sid, which is part of the key, was derived from this very file,
    nobody else comes to it; then it is proved where the server vouches by what every version of this uploader sends.
    """
    recording = task.recording
    mine = [a for a in task.earlier if a.identity == recording.identity and a.key == task.key and a.is_unknown]
    if any(attempt.carried == OURS for attempt in mine):
        return Holder.OURS
    if lesson.single_up_to >= recording.identity.size:  # false values are refused there, so they have made nothing
        mine = [attempt for attempt in mine if attempt.carried != FALSE]
    if mine:
        return Holder.PROVED if all(attempt.carried not in (None, FALSE) for attempt in mine) else Holder.DOUBTFUL
    if surroundings.journal.rebuilt and recording.sid == _derived(task, spool_id=surroundings.spool.id):
        vouched = lesson.proof.voucher is Voucher.CRC64NVME and lesson.single is not None
        return Holder.PROVED if vouched else Holder.DOUBTFUL
    return Holder.ANOTHER


def _derived(task: Task, *, spool_id: str) -> str:
    recording = task.recording
    return derived_sid(
        SidPrefix(recording.sid[:2]),
        spool_id=spool_id,
        path=recording.path,
        size=recording.identity.size,
        mtime_ns=recording.identity.mtime_ns,
    )


def key_taken(task: Task, who: Holder) -> S3Failure:
    """An object has the key that is not proved to be ours."""
    if who is Holder.ANOTHER:
        code = Reason.KEY_TAKEN
        message = (
            f"an object of the key {task.key!r} is there already and is never overwritten: remove it, or change the key"
            " template"
        )
    else:
        code = Reason.UNPROVEN
        message = (
            f"an object of the key {task.key!r} is there, perhaps of an earlier attempt whose answer was lost, and"
            " nothing vouches for its bytes: compare it with the file; where they differ remove the object and retry,"
            " where they are the same remove the file"
        )
    return S3Failure(FailureClass.FILE, code=code.value, message=message, status=412)
