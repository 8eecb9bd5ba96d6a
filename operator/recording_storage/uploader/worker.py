"""What a worker does with a task: everything that can come of it is an outcome."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recording_storage.domain.failures import S3Failure
from recording_storage.uploader.entry import StoredFacts
from recording_storage.uploader.journal import JournalError
from recording_storage.uploader.lanes import LaneState
from recording_storage.uploader.multipart import MultipartUpload
from recording_storage.uploader.outcome import FileProblemError, Outcome, StoppedError
from recording_storage.uploader.upload import SourceFile, upload_single

if TYPE_CHECKING:
    from recording_storage.uploader.lanes import Lane
    from recording_storage.uploader.outcome import Task
    from recording_storage.uploader.ports import MediaStore
    from recording_storage.uploader.upload import Surroundings

log = logging.getLogger(__name__)


class Worker:
    """Stateless; run by many threads."""

    def __init__(self, surroundings: Surroundings, *, media: MediaStore | None) -> None:
        self._around = surroundings
        self._media = media

    def perform(self, lane: Lane, task: Task) -> Outcome:
        """Upload it, unless the lane was stopped meanwhile. Raises nothing."""
        credential = lane.terms.credential if lane.terms is not None else None
        try:
            if lane.state is not LaneState.OK or self._around.stop.is_set():
                return Outcome(task)
            return Outcome(task, credential, stored=self._store(lane, task))
        except StoppedError:
            return Outcome(task)
        except S3Failure as failure:
            return Outcome(task, credential, failure=failure)
        except FileProblemError as problem:
            return Outcome(task, problem=problem)
        except JournalError as error:
            log.debug("%s goes on when the journal does: %s", task.recording.sid, error)
            return Outcome(task)

    def _store(self, lane: Lane, task: Task) -> StoredFacts:
        if lane.destination_id is None:
            return self._to_media_store(task)
        store, location = lane.store, lane.location
        if store is None or location is None:
            raise StoppedError  # another plan came in between
        if task.is_multipart:
            return MultipartUpload(
                task, store=store, location=location, surroundings=self._around, pool=lane.pool
            ).run()
        return upload_single(task, store=store, location=location, surroundings=self._around)

    def _to_media_store(self, task: Task) -> StoredFacts:
        if self._media is None:
            raise StoppedError
        source = SourceFile(task, spool=self._around.spool)
        try:
            receipt = self._media.store(task.recording, fd=source.fd, stop=self._around.stop)
            source.require_same()
        finally:
            source.close()
        return StoredFacts(
            media_url=receipt.media_url,
            etag="",
            checksum="",
            sha256=receipt.sha256,
            size=receipt.size,
            stored_at=self._around.clock.now(),
        )
