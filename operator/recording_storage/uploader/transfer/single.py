"""Uploading a small file in one request, once that is known to prove anything (see `checksum_probe`)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NoReturn

from recording_storage.domain.checksum import Checksum, ChecksumAlgorithm
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.upload_decision import MAX_REREADS
from recording_storage.s3 import buffers, checksums
from recording_storage.s3.types import StoredObject
from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.records import OURS, TRUSTED, Attempt, AttemptOutcome
from recording_storage.uploader.transfer.key_conflict import Holder, holder, key_taken
from recording_storage.uploader.transfer.source_file import SourceFile
from recording_storage.uploader.transfer.task import StoppedError, facts

if TYPE_CHECKING:
    from recording_storage.domain.proof import Voucher
    from recording_storage.uploader.core.recording import StoredFacts
    from recording_storage.uploader.journal.database import Journal
    from recording_storage.uploader.transfer.checksum_trust import Lesson
    from recording_storage.uploader.transfer.task import Route, Surroundings, Task


_OF_NOTHING = hashlib.md5(usedforsecurity=False).hexdigest()
"""The ETag of an empty object."""


class UnprovedError(Exception):
    """A single request proves nothing there any more; an object is there, ours, as `note_ours` says."""


class SingleUpload:
    """One file's way to its object."""

    def __init__(self, task: Task, route: Route, *, surroundings: Surroundings, lesson: Lesson) -> None:
        assert lesson.single is not None
        self._task = task
        self._store, self._location, self._trust, _ = route
        self._around = surroundings
        self._lesson = lesson
        self._voucher = lesson.single
        self._trusted = lesson.proof.voucher is None

    def run(self) -> StoredFacts:
        """Store it.

        Raises:
            S3Failure: as the server or the network has it; `KeyTaken` for a conflict.
            FileProblemError: the file is not as it was found.
            UnprovedError: it must go in parts.
            StoppedError: there was no time to begin.
        """
        if self._around.stop.is_set():
            raise StoppedError
        source = SourceFile(self._task, surroundings=self._around, check=False)
        buffer = buffers.take(source.size)
        try:
            body = memoryview(buffer)[: source.size]
            for reread in range(MAX_REREADS + 1):
                source.read_into(body, offset=0)
                source.require_finished()
                sha256 = hashlib.sha256(body).hexdigest()
                fault_point("before-put")
                try:
                    stored = self._send(body, sha256=sha256)
                except S3Failure as failure:
                    if failure.kind is FailureClass.DIGEST and reread < MAX_REREADS:
                        continue
                    if failure.kind is not FailureClass.PRECONDITION:
                        raise
                    stored = self._there(failure, sha256=sha256)
                fault_point("after-put")
                source.require_same_as_sent()
                return facts(self._task, stored, location=self._location, sha256=sha256, clock=self._around.clock)
            raise AssertionError("the last round returns or raises")
        finally:
            buffers.give_back(buffer)
            source.close()

    def _send(self, body: memoryview, *, sha256: str) -> StoredObject:
        self._note(TRUSTED if self._trusted else self._voucher)
        stored = self._store.put_object(
            self._task.key,
            body,
            metadata=self._task.metadata,
            content_type=self._task.recording.content_type,
            if_none_match=True,
            sha256=sha256,
            voucher=self._voucher,
        )
        if stored.etag == _OF_NOTHING and len(body):
            self._contradicted("an answer names an empty object")
        if self._trusted:
            return stored
        if stored.voucher is not self._voucher or not self._trust.single_answer(self._lesson, told=stored.told):
            self._contradicted("an answer no longer names the checksum")
        return stored

    def _contradicted(self, why: str) -> NoReturn:
        note_ours(self._task, journal=self._around.journal)
        self._trust.contradicted(self._lesson, url=self._location.url, why=why)
        raise UnprovedError

    def _there(self, failure: S3Failure, *, sha256: str) -> StoredObject:
        """An object has the key."""
        who = holder(self._task, lesson=self._trust.lesson or self._lesson, surroundings=self._around)
        if who is Holder.OURS:
            note_ours(self._task, journal=self._around.journal)
            raise UnprovedError from failure
        if who is not Holder.PROVED:
            raise key_taken(self._task, who) from failure
        return StoredObject("", Checksum(ChecksumAlgorithm.SHA256, checksums.encoded_sha256(sha256)))

    def _note(self, carried: Voucher | str) -> None:
        """What the attempt carries, journalled before it is sent; nearly always it was when it was claimed."""
        task = self._task
        if task.carries == carried or task.attempt_id is None:
            return
        number = task.attempt_id
        self._around.journal.run(lambda connection: records.set_carried(connection, number, str(carried)))
        task.carries = carried


def note_ours(task: Task, *, journal: Journal) -> None:
    """Journal, for the attempt under way, that the object under the key is ours, and is not proved, or won't be."""
    number = task.attempt_id
    assert number is not None
    journal.run(lambda connection: records.set_ours(connection, number))
    ours = Attempt(number, task.key, task.recording.identity, AttemptOutcome.UNCERTAIN, carried=OURS)
    task.earlier = [*(attempt for attempt in task.earlier if attempt.id != number), ours]
