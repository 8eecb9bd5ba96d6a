"""Whether a destination compares what goes in one request: tried with a false value, over an object of our own.

That a server compares what goes with a part says nothing of single requests. So where nothing is known of bodies of a
size, a small file goes in one part, which is proved. Then the same bytes are sent once more in one request, with a
false value. The key is ours by then, acknowledged, and the journal says so before the request leaves: whatever becomes
of it, and of this process, nobody else's object can be overwritten, and none that is unproved is taken for stored.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import Voucher, is_digest_refusal
from recording_storage.s3 import buffers
from recording_storage.uploader.transfer.single import note_ours
from recording_storage.uploader.transfer.source_file import SourceFile
from recording_storage.uploader.transfer.task import SINGLE_UP_TO, FileProblemError

if TYPE_CHECKING:
    from recording_storage.uploader.transfer.checksum_trust import Lesson
    from recording_storage.uploader.transfer.task import Route, Surroundings, Task

_NOT_COMPARED = frozenset({FailureClass.FILE, FailureClass.REFUSED, FailureClass.UNSUPPORTED, FailureClass.FATAL})
"""How a server may refuse a false value without having compared it; some buckets let nothing be sent over an object."""


def is_due(task: Task, lesson: Lesson) -> bool:
    """Whether a recording that was stored in parts is the one to find out with."""
    size = task.recording.identity.size
    may_vouch = lesson.single is not None and lesson.proof.voucher is not None
    # without an attempt, it was stored by an earlier one, which nobody has acknowledged
    return may_vouch and lesson.single_up_to < size <= SINGLE_UP_TO and task.attempt_id is not None


class ChecksumProbe:
    """One try; the recording was just stored."""

    def __init__(self, task: Task, route: Route, *, surroundings: Surroundings, lesson: Lesson) -> None:
        assert lesson.single is not None
        self._task = task
        self._store, self._trust = route.store, route.trust
        self._around = surroundings
        self._lesson = lesson
        self._voucher = lesson.single

    def run(self) -> bool:
        """Whether what is stored is still proved; else the bytes there may be those of the false value.

        Raises:
            JournalError: before anything is sent.
        """
        if self._around.stop.is_set():
            return True
        try:
            source = SourceFile(self._task, surroundings=self._around)
        except FileProblemError:
            return True  # which its release will see, too
        buffer = buffers.take(source.size)
        try:
            body = memoryview(buffer)[: source.size]
            source.read_into(body, offset=0)
            source.require_same()
            note_ours(self._task, journal=self._around.journal)
            return self._send(body)
        except FileProblemError:
            return True
        finally:
            buffers.give_back(buffer)
            source.close()

    def _send(self, body: memoryview) -> bool:
        try:
            self._store.put_object(
                self._task.key,
                body,
                metadata=self._task.metadata,
                content_type=self._task.recording.content_type,
                sha256=hashlib.sha256(body).hexdigest(),
                voucher=self._voucher,
                wrong=True,
            )
        except S3Failure as failure:
            if is_digest_refusal(failure):
                self._trust.single_vouches(self._lesson, size=len(body))
            elif self._is_not_compared(failure):
                self._trust.single_vouches_not(self._lesson)
            return not failure.uncertain
        self._trust.single_vouches_not(self._lesson)
        return False

    def _is_not_compared(self, failure: S3Failure) -> bool:
        signature = failure.kind is FailureClass.CREDENTIAL and self._voucher is Voucher.SIGNED_PAYLOAD
        return signature or failure.kind in _NOT_COMPARED
