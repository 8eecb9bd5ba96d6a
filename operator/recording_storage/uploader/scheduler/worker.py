"""What a worker does with a task: everything that can come of it is an outcome."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.uploader.core.destination_state import LaneState
from recording_storage.uploader.core.recording import Reason, StoredFacts
from recording_storage.uploader.journal import queries, records
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.journal.records import IN_PARTS, OURS
from recording_storage.uploader.scheduler.destination import DEFECT
from recording_storage.uploader.spool.walk import is_another
from recording_storage.uploader.transfer import checksum_probe
from recording_storage.uploader.transfer.checksum_probe import ChecksumProbe
from recording_storage.uploader.transfer.multipart import MultipartUpload
from recording_storage.uploader.transfer.resume import part_size_for
from recording_storage.uploader.transfer.single import SingleUpload, UnprovedError
from recording_storage.uploader.transfer.source_file import SourceFile
from recording_storage.uploader.transfer.task import FileProblemError, Outcome, Route, StoppedError

if TYPE_CHECKING:
    from recording_storage.uploader.core.ports import MediaStore, ObjectStore
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.transfer.checksum_trust import Lesson
    from recording_storage.uploader.transfer.task import Surroundings, Task

log = logging.getLogger(__name__)


class Worker:
    """Stateless; run by many threads."""

    def __init__(self, surroundings: Surroundings, *, media: MediaStore | None) -> None:
        self._around = surroundings
        self._media = media

    def perform(self, lane: Lane, task: Task) -> Outcome:  # noqa: PLR0911 - one for each way that it can end
        """Upload it, unless the lane was stopped meanwhile. Raises nothing."""
        credential = lane.terms.keys if lane.terms is not None else None
        try:
            if lane.state is not LaneState.OK or self._around.stop.is_set():
                return Outcome(task)
            return Outcome(task, credential, stored=self._store(lane, task))
        except StoppedError:
            return Outcome(task)
        except S3Failure as failure:
            return Outcome(task, credential, failure=failure)
        except FileProblemError as problem:
            return Outcome(task) if self._was_renamed(task, problem) else Outcome(task, problem=problem)
        except JournalError as error:
            log.debug("%s goes on when the journal does: %s", task.recording.sid, error)
            return Outcome(task)
        except Exception as error:
            log.exception("a defect of the uploader, with %s", task.recording.path)
            return Outcome(task, credential, failure=_defect(error))

    def _store(self, lane: Lane, task: Task) -> StoredFacts:
        if lane.destination_id is None:
            return self._to_media_store(task)  # which knows whether it has it
        if task.recording.stored is not None:
            return self._stored_before(task, task.recording.stored)
        store, location = lane.store, lane.location
        if store is None or location is None:
            raise StoppedError  # another plan came in between
        lesson = self._lesson(lane, task, store)
        route = Route(store, location, lane.trust, lane.share)
        if not task.is_multipart and _goes_at_once(task, lesson):
            try:
                return SingleUpload(task, route, surroundings=self._around, lesson=lesson).run()
            except UnprovedError:
                task.in_parts, task.attempt_id = True, None
        elif not task.is_multipart:
            self._leave_single(task)
        stored = self._in_parts(lane, task, route)
        known = lane.trust.lesson
        if known is not None and checksum_probe.is_due(task, known):
            trial = ChecksumProbe(task, route, surroundings=self._around, lesson=known)
            if not trial.run():
                task.attempt_id = None
                return self._in_parts(lane, task, route)
        return stored

    def _leave_single(self, task: Task) -> None:
        """It goes in parts, which have an attempt of their own; this one stays open: what is begun is searched for."""
        number, task.attempt_id, task.in_parts = task.attempt_id, None, True
        if number is not None and task.carries != IN_PARTS:  # when it was claimed, something vouched for single ones
            self._around.journal.run(lambda connection: records.set_carried(connection, number, IN_PARTS))

    def _in_parts(self, lane: Lane, task: Task, route: Route) -> StoredFacts:
        lesson = self._lesson(lane, task, route.store)  # of bodies of that size, if it isn't known yet
        return MultipartUpload(task, route, surroundings=self._around, lesson=lesson).run()

    def _lesson(self, lane: Lane, task: Task, store: ObjectStore) -> Lesson:
        """What vouches for the task's parts, if it goes in parts."""
        size = task.recording.identity.size
        trusted = lane.terms is not None and lane.terms.trust_unverified

        def require(body: int) -> Lesson:
            return lane.trust.require(store, size=body, url=lane.url, trusted=trusted, stop=self._around.stop)

        try:
            lesson = require(0)
        except S3Failure as failure:
            if failure.kind is FailureClass.FATAL:
                _ask_for(task, store)
            raise
        if not task.is_multipart:
            return lesson
        return require(min(size, part_size_for(size, most_parts=lesson.proof.most_parts)))

    def _stored_before(self, task: Task, stored: StoredFacts) -> StoredFacts:
        """It was parked after it had been stored; a retry finds out whether the file still has just those bytes."""
        try:
            source = SourceFile(task, surroundings=self._around)
        except FileProblemError as problem:
            if problem.reason is Reason.FILE_MISSING or self._was_replaced(task):
                return stored  # somebody has put it aside: there is nothing left to release
            raise
        try:
            same = source.sha256(stop=self._around.stop) == stored.sha256
        finally:
            source.close()
        if not same:
            raise FileProblemError(
                Reason.CHANGED_AFTER_UPLOAD,
                f"the object {stored.media_url} holds what the file was before;"
                " rename the file to have it stored as a recording of its own",
            )
        return stored

    def _was_renamed(self, task: Task, problem: FileProblemError) -> bool:
        """Whether it is missed under a name that it has no more: it goes on under its new one."""
        if problem.reason is not Reason.FILE_MISSING:
            return False
        work = self._around.journal.submit(lambda connection: queries.path_of(connection, task.recording.id))
        path = work.result() if work.exception() is None else None
        return path is not None and path != task.recording.path

    def _was_replaced(self, task: Task) -> bool:
        try:
            return is_another(os.lstat(self._around.spool.path(task.recording.path)), task.recording.identity)
        except OSError:
            return False

    def _to_media_store(self, task: Task) -> StoredFacts:
        if self._media is None:
            raise StoppedError
        source = SourceFile(task, surroundings=self._around)
        try:
            source.require_finished()
            receipt = self._media.store(task.recording, fd=source.fd, stop=self._around.stop)
            source.require_finished()
        finally:
            source.close()
        return StoredFacts(
            media_url=receipt.media_url,
            etag="",
            checksum=None,
            sha256=receipt.sha256,
            size=receipt.size,
            stored_at=self._around.clock.now(),
        )


def _goes_at_once(task: Task, lesson: Lesson) -> bool:
    """Whether a small file goes in a single request: where that is known to prove it, or nothing does."""
    if lesson.single is None or any(attempt.carried in (IN_PARTS, OURS) for attempt in task.earlier):
        return False  # it goes on with what it has left, or replaces it
    return lesson.proof.voucher is None or task.recording.identity.size <= lesson.single_up_to


def _ask_for(task: Task, store: ObjectStore) -> None:
    """Whether the recording itself is denied, where the question before it was. Raises S3Failure if it is."""
    upload_id = store.create_multipart(task.key, metadata=task.metadata, content_type=task.recording.content_type)
    store.abort_multipart(task.key, upload_id=upload_id)


def _defect(error: Exception) -> S3Failure:
    """What nobody foresaw is tried again like any other trouble: the recording must not hang in `uploading`."""
    return S3Failure(
        FailureClass.TRANSIENT,
        code=DEFECT,
        message=f"{type(error).__name__} in the uploader, see its log",
        uncertain=True,
    )
