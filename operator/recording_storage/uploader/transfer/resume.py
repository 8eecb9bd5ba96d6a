"""What earlier attempts at a multipart upload have left: to go on with one, and to abort the others."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recording_storage.domain.failures import ABOUT_EVERY_REQUEST, PASSING, FailureClass, S3Failure
from recording_storage.domain.proof import MOST_PARTS, Voucher
from recording_storage.s3 import checksums
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.records import OURS, Attempt, AttemptOutcome
from recording_storage.uploader.transfer import abandoned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recording_storage.s3.types import Part
    from recording_storage.uploader.core.ports import ObjectStore
    from recording_storage.uploader.transfer.task import Surroundings, Task

log = logging.getLogger(__name__)

PART_SIZE = 8 << 20
_MIB = 1 << 20
_SEARCHES = 3
_PATIENCE = 5
"""Tries of a recording in a row that failed, after which a list that fails again is taken for one that always does."""


def part_size_for(size: int, *, most_parts: int = MOST_PARTS) -> int:
    """Bytes of each part but the last: 8 MiB, or as many whole MiB as keep to the parts that a server takes."""
    least = -(-size // most_parts)
    return max(PART_SIZE, -(-least // _MIB) * _MIB)


@dataclass(frozen=True)
class OpenMultipart:
    """An upload to send parts to."""

    attempt_id: int
    upload_id: str
    part_size: int
    parts: Mapping[int, Part]
    """What the server has of it, by number."""


def journal_upload(task: Task, upload_id: str, *, part_size: int, carried: str, surroundings: Surroundings) -> int:
    """Note an upload that is open for the recording, before its first part; the attempt's id."""
    now = surroundings.clock.now()
    return surroundings.journal.run(
        lambda connection: records.add_attempt(
            connection,
            task.recording,
            key=task.key,
            now=now,
            upload_id=upload_id,
            part_size=part_size,
            carried=carried,
        )
    )


class Resume:
    """Looks at what the journal and the server know. Every call raises S3Failure."""

    def __init__(
        self, task: Task, *, store: ObjectStore, surroundings: Surroundings, carried: str, most_parts: int
    ) -> None:
        self._task = task
        self._carried = carried
        self._most_parts = most_parts
        self._store = store
        self._around = surroundings

    def find(self) -> OpenMultipart | None:
        """The upload to go on with; None: begin anew."""
        known = {a.upload_id for a in self._task.earlier if a.upload_id}
        chosen: OpenMultipart | None = None
        for attempt in reversed(self._task.earlier):
            if attempt.upload_id is None or attempt.carried == OURS:
                continue  # in one request, or completed
            same = attempt.identity == self._task.recording.identity and attempt.key == self._task.key
            # One that can't be gone on with may have made the object nevertheless: it is looked for before an abort.
            unknown = same and attempt.outcome is not AttemptOutcome.ABANDONED
            there = self._look(attempt) if unknown and attempt.part_size else None
            if chosen is None and there is not None and self._is_fitting(attempt):
                chosen = there
                log.info("%s goes on with %d parts that are there already", self._task.recording.sid, len(there.parts))
            elif there is not None or not unknown:
                self._abort(attempt)
        if chosen is None and (self._task.recording.attempts > 1 or self._around.journal.rebuilt):
            chosen = self._search(without=known)
        return chosen

    def _search(self, *, without: set[str]) -> OpenMultipart | None:
        """A search for leftovers decides about nothing: not every server can list uploads."""
        for number in range(1, _SEARCHES + 1):
            try:
                return self._adopt(without=without)
            except S3Failure as failure:
                if failure.kind in PASSING and number < _SEARCHES:
                    continue  # there is no other time for it: what is begun next is journalled
                log.warning(
                    "%s: an upload that was begun and never acknowledged may stay open, it can't be searched for: %s",
                    self._task.key,
                    failure,
                )
                break
        return None

    def _is_fitting(self, attempt: Attempt) -> bool:
        """Whether its parts go with what vouches now; an older version's were sent with CRC64NVMEs."""
        if attempt.carried != self._carried and not (attempt.carried is None and self._carried == Voucher.CRC64NVME):
            return False
        size = self._task.recording.identity.size
        return attempt.part_size is None or -(-size // attempt.part_size) <= self._most_parts

    def _look(self, attempt: Attempt) -> OpenMultipart | None:
        """What the server has of it; None: nothing.

        It was completed without our hearing of it, or aborted by somebody: its outcome stays unknown, for good. So it
        does where the server can't tell: the upload can't be gone on with, and is aborted as far as that is possible.
        """
        assert attempt.upload_id is not None
        assert attempt.part_size is not None
        try:
            parts = self._store.list_parts(attempt.key, upload_id=attempt.upload_id)
        except S3Failure as failure:
            if failure.kind is FailureClass.MULTIPART_LOST:
                return None
            if self._is_of_destination(failure):
                raise
            left = abandoned.abort(self._store, attempt.key, upload_id=attempt.upload_id)
            log.warning(
                "%s begins anew: the parts that are there can't be listed (%s)%s",
                self._task.recording.sid,
                failure,
                f", nor removed ({left})" if left is not None else "",
            )
            return None
        return OpenMultipart(attempt.id, attempt.upload_id, attempt.part_size, {part.number: part for part in parts})

    def _is_of_destination(self, failure: S3Failure) -> bool:
        """Whether it is more than a list that this server can't make; a denied one is held until it is allowed."""
        if failure.kind in PASSING:
            return failure.status is None or self._task.recording.failures < _PATIENCE
        return failure.kind in ABOUT_EVERY_REQUEST or failure.kind is FailureClass.FATAL

    def _abort(self, attempt: Attempt) -> None:
        """Now, or later where that is refused: no recording waits for it."""
        assert attempt.upload_id is not None
        failure = abandoned.abort(self._store, attempt.key, upload_id=attempt.upload_id)
        if failure is not None and (failure.status is None or failure.kind in ABOUT_EVERY_REQUEST):
            raise failure
        outcome = AttemptOutcome.ABORTED if failure is None else AttemptOutcome.ABANDONED
        self._task.earlier = [a for a in self._task.earlier if a.id != attempt.id]  # it has made no object
        self._around.journal.run(lambda connection: records.set_attempt(connection, attempt.id, outcome=outcome))

    def _adopt(self, *, without: set[str]) -> OpenMultipart | None:
        """An upload of our key that the journal never heard of: begun right before a crash, or its journal was lost."""
        task = self._task
        part_size = part_size_for(task.recording.identity.size, most_parts=self._most_parts)
        best: tuple[str, list[Part]] | None = None
        stale: list[str] = []
        for upload in self._store.list_multipart_uploads(prefix=task.key):
            if upload.key != task.key or upload.upload_id in without:
                continue
            parts = self._store.list_parts(task.key, upload_id=upload.upload_id)
            if not any(part.number == 1 and part.size == part_size for part in parts) or (
                best is not None and len(parts) <= len(best[1])
            ):
                stale.append(upload.upload_id)
                continue
            if best is not None:
                stale.append(best[0])
            best = upload.upload_id, parts
        for upload_id in stale:
            self._store.abort_multipart(task.key, upload_id=upload_id)
        if best is None:
            return None
        upload_id, parts = best
        attempt_id = journal_upload(
            task, upload_id, part_size=part_size, carried=self._carried, surroundings=self._around
        )
        log.info("%s goes on with %d parts of an upload that was found", task.recording.sid, len(parts))
        return OpenMultipart(attempt_id, upload_id, part_size, {part.number: part for part in parts})


def is_same_part(part: Part, body: memoryview, *, voucher: Voucher) -> bool:
    """Whether a part that the server has holds just these bytes, as far as it tells and vouches for that."""
    if part.size != len(body):
        return False
    if part.checksum and voucher is Voucher.CRC64NVME:
        return part.checksum == checksums.encoded(checksums.crc64nvme(body))
    etag = part.etag.strip('"')
    if len(etag) == 32 and all(c in "0123456789abcdef" for c in etag):  # noqa: PLR2004 - an MD5 in hexadecimal
        return etag == hashlib.md5(body, usedforsecurity=False).hexdigest()
    return False
