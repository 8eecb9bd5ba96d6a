"""Whose an object is that has a recording's key already; it can't be asked without the right to read."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import Voucher
from recording_storage.domain.sids import SidPrefix, derived_sid
from recording_storage.uploader.core.recording import Reason
from recording_storage.uploader.journal.records import IN_PARTS, OURS, TRUSTED
from recording_storage.uploader.transfer.task import SINGLE_UP_TO

if TYPE_CHECKING:
    from recording_storage.uploader.transfer.checksum_trust import Lesson
    from recording_storage.uploader.transfer.task import Surroundings, Task


_PROVING = frozenset({*Voucher, TRUSTED})
"""What an attempt may carry that vouches for its bytes."""


class Holder(StrEnum):
    PROVED = "proved"
    """It is ours, of just these bytes."""
    OURS = "ours"
    """It is ours without proof: to be replaced by the same bytes."""
    DOUBTFUL = "doubtful"
    """It may be an attempt's that nothing vouches for."""
    ANOTHER = "another"


def holder(task: Task, *, lesson: Lesson, surroundings: Surroundings) -> Holder:
    """Whose it is, as far as the journal tells.

    Attempts of unknown outcome that sent just these bytes may have made it; it is proved where something vouches for
    each of them. Where the journal was lost and the sid, which is part of the key, was derived from this very file,
    nobody else comes to it; see `_after_loss`.
    """
    recording = task.recording
    same = [a for a in task.earlier if a.identity == recording.identity and a.key == task.key and a.is_unknown]
    mine = [attempt for attempt in same if attempt.carried != IN_PARTS]
    if any(attempt.carried == OURS for attempt in mine):
        return Holder.OURS
    if mine:
        return Holder.PROVED if all(attempt.carried in _PROVING for attempt in mine) else Holder.DOUBTFUL
    if surroundings.journal.rebuilt and recording.sid == _derived(task, spool_id=surroundings.spool.id):
        return _after_loss(recording.identity.size, lesson=lesson)
    return Holder.ANOTHER


def _after_loss(size: int, *, lesson: Lesson) -> Holder:
    """Of an object that one of our attempts has made, nobody knows which.

    An upload in parts is completed only after something has vouched for each of them (or the destination is trusted),
    so its object is proved. Small files go so, too, where nothing but ETags vouches. Elsewhere it may be of the single
    request that tries whether a false value is taken, unless that is seen to be refused.
    """
    only_in_parts = size > SINGLE_UP_TO or lesson.proof.voucher in (None, Voucher.ETAG)
    return Holder.PROVED if only_in_parts or size <= lesson.single_up_to else Holder.OURS


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
