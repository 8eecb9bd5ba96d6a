"""Uploading a large file in parts, going on where an earlier attempt ended."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import wait
from typing import TYPE_CHECKING

from recording_storage.domain.backoff import doubled
from recording_storage.domain.checksum import Checksum, ChecksumAlgorithm
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import Voucher
from recording_storage.domain.upload_decision import MAX_REBUILDS
from recording_storage.s3 import buffers, checksums
from recording_storage.s3.types import StoredObject
from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.journal import destinations, records
from recording_storage.uploader.journal.records import OURS, TRUSTED, Attempt, AttemptOutcome
from recording_storage.uploader.transfer.abandoned import abort
from recording_storage.uploader.transfer.key_conflict import Holder, holder, key_taken
from recording_storage.uploader.transfer.resume import (
    PART_SIZE,
    OpenMultipart,
    Resume,
    is_same_part,
    journal_upload,
    part_size_for,
)
from recording_storage.uploader.transfer.source_file import SourceFile
from recording_storage.uploader.transfer.task import SINGLE_UP_TO, PartLimitError, StoppedError, facts

if TYPE_CHECKING:
    from concurrent.futures import Future
    from mmap import mmap

    from recording_storage.s3.types import Part
    from recording_storage.uploader.core.recording import StoredFacts
    from recording_storage.uploader.transfer.checksum_trust import Lesson
    from recording_storage.uploader.transfer.task import Route, Surroundings, Task

log = logging.getLogger(__name__)

_COMPLETE_TRIES = 3
_SURELY_TAKEN = 100
"""Parts that every server takes: a refusal of one of them has other grounds."""
_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
"""Seconds before an uncertain completion is repeated: the first pause, and the longest."""


class MultipartUpload:
    """One file's way to its object. Every call raises as `SingleUpload.run` does, but for UnprovedError."""

    def __init__(self, task: Task, route: Route, *, surroundings: Surroundings, lesson: Lesson) -> None:
        self._task = task
        self._store, self._location, self._trust, self._share = route
        self._lesson = lesson
        self._voucher = lesson.proof.voucher or Voucher.CRC64NVME
        self._carried = TRUSTED if lesson.proof.voucher is None else lesson.proof.voucher
        self._most_parts = lesson.proof.most_parts
        self._around = surroundings
        self._size = task.recording.identity.size
        self._done = 0
        self._replaces = any(attempt.carried == OURS for attempt in task.earlier)

    def run(self) -> StoredFacts:
        source = SourceFile(self._task, surroundings=self._around)
        try:
            source.require_finished()
            for rebuild in range(MAX_REBUILDS + 1):
                try:
                    return self._attempt(source)
                except PartLimitError as error:
                    if rebuild == MAX_REBUILDS:
                        raise error.failure from None
                    self._learn_limit(error.most)
                except S3Failure as failure:
                    if failure.kind not in (FailureClass.MULTIPART_LOST, FailureClass.DIGEST):
                        raise
                    if rebuild == MAX_REBUILDS:
                        if failure.kind is FailureClass.MULTIPART_LOST:
                            failure.kind = FailureClass.TRANSIENT
                        raise
                    log.info("%s: %s; its multipart upload is built anew", self._task.recording.sid, failure.code)
            raise AssertionError("the last round returns or raises")
        finally:
            source.close()
            self._around.progressed(self._task.recording.sid, self._size, self._size)  # nothing is under way any more

    def _attempt(self, source: SourceFile) -> StoredFacts:
        resume = Resume(
            self._task,
            store=self._store,
            surroundings=self._around,
            carried=self._carried,
            most_parts=self._most_parts,
        )
        upload = resume.find() or self._begin()
        self._task.attempt_id = upload.attempt_id
        try:
            parts, sha256 = self._send(source, upload)
            source.require_finished()
            fault_point("before-complete")
            stored = self._complete(upload, parts)
        except S3Failure as failure:
            if failure.kind is FailureClass.PRECONDITION:
                self._forget_ineffective()
                who = self._holder()  # before the outcome changes
                if who is Holder.PROVED and failure.uncertain:
                    self._abort(upload)  # its outcome stays `uncertain`: that is what makes the key ours after a crash
                else:
                    self._give_up(upload)
                if who is not Holder.PROVED:
                    raise key_taken(self._task, who) from failure
                whole = checksums.of_parts(parts)
                stored = StoredObject("", Checksum(ChecksumAlgorithm.CRC64NVME, whole) if whole else None)
            else:
                if failure.kind is FailureClass.MULTIPART_LOST:
                    self._remember_lost(upload, uncertain=failure.uncertain)
                elif failure.kind in (FailureClass.FILE, FailureClass.REFUSED, FailureClass.DIGEST):
                    self._give_up(upload)
                raise
        except PartLimitError:
            self._give_up(upload)
            raise
        except Exception:
            if not self._around.stop.is_set():
                self._give_up(upload)  # the file has changed: these parts are of no use any more
            raise
        fault_point("after-complete")
        source.require_same_as_sent()
        return facts(self._task, stored, location=self._location, sha256=sha256, clock=self._around.clock)

    def _begin(self) -> OpenMultipart:
        task = self._task
        upload_id = self._store.create_multipart(
            task.key,
            metadata=task.metadata,
            content_type=task.recording.content_type,
            voucher=self._voucher,
        )
        fault_point("multipart-created")
        part_size = part_size_for(self._size, most_parts=self._most_parts)
        attempt_id = journal_upload(
            task, upload_id, part_size=part_size, carried=self._carried, surroundings=self._around
        )
        fault_point("upload-id-journalled")
        return OpenMultipart(attempt_id, upload_id, part_size, {})

    def _send(self, source: SourceFile, upload: OpenMultipart) -> tuple[list[Part], str]:
        """All parts and the whole file's SHA-256, in one pass over its bytes."""
        if self._size <= SINGLE_UP_TO:
            return self._send_alone(source, upload)
        digest = hashlib.sha256()
        sending: list[Future[Part]] = []
        parts: list[Part] = []
        self._done = 0
        try:
            for number, offset in enumerate(range(0, self._size, upload.part_size), start=1):
                if self._around.stop.is_set():
                    raise StoppedError
                for done in sending:
                    if done.done() and done.exception() is not None:
                        done.result()
                length = min(upload.part_size, self._size - offset)
                buffer = self._share.take(upload.part_size, stop=self._around.stop)
                try:
                    body = memoryview(buffer)[:length]
                    source.read_into(body, offset=offset)
                    digest.update(body)
                    there = upload.parts.get(number)
                    if there is not None and is_same_part(there, body, voucher=self._voucher):
                        parts.append(there)
                        self._progress(length)
                        body.release()
                        self._share.give_back(buffer)
                        continue
                except BaseException:
                    self._share.give_back(buffer)
                    raise
                sending.append(self._share.submit(self._send_part, upload.upload_id, number, buffer, length))
            parts += [future.result() for future in sending]
        except PartLimitError as error:
            wait(sending)
            refused = (future.exception() for future in sending)
            error.most = min(one.most for one in refused if isinstance(one, PartLimitError))
            raise
        finally:
            wait(sending)  # they read from this file, and what arrives late would only confuse the next try
        return sorted(parts, key=lambda part: part.number), digest.hexdigest()

    def _send_alone(self, source: SourceFile, upload: OpenMultipart) -> tuple[list[Part], str]:
        """A small file as one part, by this thread: it may have others under way."""
        buffer = buffers.take(self._size)
        try:
            body = memoryview(buffer)[: self._size]
            source.read_into(body, offset=0)
            there = upload.parts.get(1)
            if there is None or not is_same_part(there, body, voucher=self._voucher):
                there = self._send_body(upload.upload_id, 1, body)
            return [there], hashlib.sha256(body).hexdigest()
        finally:
            buffers.give_back(buffer)

    def _send_part(self, upload_id: str, number: int, buffer: mmap, length: int) -> Part:
        try:
            part = self._send_body(upload_id, number, memoryview(buffer)[:length])
        finally:
            self._share.give_back(buffer)
        fault_point("after-part")
        self._progress(length)
        return part

    def _send_body(self, upload_id: str, number: int, body: memoryview) -> Part:
        """Raises PartLimitError where it is refused twice as no earlier one was."""
        refused: S3Failure | None = None
        while True:
            try:
                part = self._store.upload_part(
                    self._task.key, upload_id=upload_id, number=number, body=body, voucher=self._voucher
                )
            except S3Failure as failure:
                if failure.kind not in (FailureClass.FILE, FailureClass.REFUSED) or number <= _SURELY_TAKEN:
                    raise
                if refused is not None:
                    raise PartLimitError(failure, most=number - 1) from failure
                refused = failure
                continue
            proof = self._lesson.proof
            if proof.voucher is not None and (part.voucher is not proof.voucher or (proof.told and not part.told)):
                why = (
                    "a part's ETag is no MD5 of it" if proof.voucher is Voucher.ETAG else "an answer names no checksum"
                )
                self._trust.contradicted(self._lesson, url=self._location.url, why=why)
                raise S3Failure(
                    FailureClass.TRANSIENT,
                    code="ProofMissing",
                    message=f"{why}: nothing shows that the server has what was sent",
                    operation="UploadPart",
                )
            return part

    def _learn_limit(self, most: int) -> None:
        log.warning("%s takes %d parts of an upload: larger ones are sent", self._location.url, most)
        self._most_parts = most
        self._trust.limited(most)
        recording = self._task.recording
        key = (recording.account_sid, recording.destination_id)
        self._around.journal.run(lambda connection: destinations.set_most_parts(connection, key, most=most))

    def _progress(self, length: int) -> None:
        self._done += length
        self._around.progressed(self._task.recording.sid, self._done, self._size)

    def _complete(self, upload: OpenMultipart, parts: list[Part]) -> StoredObject:
        """Make them one object; an uncertain completion is repeated with the same upload id."""
        uncertain = False
        for repetition in range(_COMPLETE_TRIES):
            try:
                return self._store.complete_multipart(
                    self._task.key, upload_id=upload.upload_id, parts=parts, if_none_match=not self._replaces
                )
            except S3Failure as failure:
                if failure.kind in (FailureClass.MULTIPART_LOST, FailureClass.PRECONDITION) and uncertain:
                    # the first one may have held: from now on this attempt counts as one of unknown outcome
                    self._remember_lost(upload, uncertain=True)
                    failure.uncertain = True
                    raise
                is_taken = failure.kind is FailureClass.PRECONDITION and not self._replaces
                if is_taken and self._holder() is Holder.OURS:
                    self._replaces = True
                    continue
                if not failure.uncertain:
                    raise
                uncertain = True
                if repetition == _COMPLETE_TRIES - 1:
                    raise
                self._around.clock.wait(self._around.stop, doubled(repetition + 1, first=_PAUSE, most=_LONGEST_PAUSE))
        raise AssertionError("the last round returns or raises")

    def _holder(self) -> Holder:
        return holder(self._task, lesson=self._trust.lesson or self._lesson, surroundings=self._around)

    def _remember_lost(self, upload: OpenMultipart, *, uncertain: bool) -> None:
        outcome = AttemptOutcome.UNCERTAIN if uncertain else AttemptOutcome.FAILED
        self._set_outcome(upload, outcome)
        if uncertain:
            task = self._task
            lost = Attempt(
                upload.attempt_id,
                task.key,
                task.recording.identity,
                outcome,
                upload.upload_id,
                carried=self._carried,
            )
            task.earlier = [*(a for a in task.earlier if a.id != lost.id), lost]
        else:
            self._task.earlier = [a for a in self._task.earlier if a.id != upload.attempt_id]
        self._task.attempt_id = None

    def _forget_ineffective(self) -> None:
        """What is still an open upload has made no object: that the key is taken is not its doing."""
        for attempt in list(self._task.earlier):
            if attempt.upload_id is None or not attempt.is_unknown:
                continue
            try:
                self._store.list_parts(attempt.key, upload_id=attempt.upload_id)
            except S3Failure as failure:
                if failure.kind is not FailureClass.MULTIPART_LOST:
                    raise
            else:
                self._give_up(OpenMultipart(attempt.id, attempt.upload_id, PART_SIZE, {}))

    def _give_up(self, upload: OpenMultipart) -> None:
        """Abort it now, or leave it to the destination's caretaker. It was there until now: it has made no object."""
        self._task.attempt_id = None
        self._task.earlier = [a for a in self._task.earlier if a.id != upload.attempt_id]
        self._set_outcome(upload, AttemptOutcome.ABANDONED)
        if self._abort(upload):
            self._set_outcome(upload, AttemptOutcome.ABORTED)

    def _abort(self, upload: OpenMultipart) -> bool:
        failure = abort(self._store, self._task.key, upload_id=upload.upload_id)
        if failure is not None:
            log.warning("a multipart upload of %s is to be aborted later: %s", self._task.key, failure)
        return failure is None

    def _set_outcome(self, upload: OpenMultipart, outcome: AttemptOutcome) -> None:
        self._around.journal.run(lambda connection: records.set_attempt(connection, upload.attempt_id, outcome=outcome))
