"""What a destination vouches by, as its uploads find out: before the first one, daily, after a contradiction."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import MOST_PARTS, Proof, Voucher
from recording_storage.s3.steps import Step, explain, unverified
from recording_storage.uploader.transfer.task import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.core.ports import Clock, ObjectStore

log = logging.getLogger(__name__)

DAY = 24 * 3600.0
AGAIN = 600.0
"""Seconds until a daily lesson that failed is tried again; what was learnt before counts until then."""
LEAST = 1 << 20
"""Bytes of the shortest body that is tried: brief uploads, which share a thread, never wait for a longer one."""
_LOOK_AT_STOP = 0.5
"""Seconds."""
_SINGLES = {
    Voucher.CRC64NVME: Voucher.SHA256,  # which every recording has anyway
    Voucher.SHA256: Voucher.SHA256,
    Voucher.CONTENT_MD5: Voucher.CONTENT_MD5,
    Voucher.SIGNED_PAYLOAD: Voucher.SIGNED_PAYLOAD,
}
"""What may vouch for a single request where that vouches for parts; no ETag: the answer that has it may be lost."""

_OF_A_PROBE = {
    FailureClass.DIGEST: FailureClass.TRANSIENT,
    FailureClass.FILE: FailureClass.HOLD,
    FailureClass.REFUSED: FailureClass.HOLD,
}
"""What a refusal says that a probe has met: nothing of any recording. What arrived spoilt may arrive whole later."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is known of a destination."""

    proof: Proof
    single: Voucher | None
    """What single requests carry; None: small files go as a multipart upload of one part."""
    single_up_to: int = -1
    """Bytes of the longest single body whose wrong value was refused."""
    single_told: bool | None = None
    """Whether answers to single requests name the checksum; None: there was none yet."""
    number: int = 0
    """Counts the lessons that were not drawn from what was known before."""


class ChecksumTrust:
    """Of one destination; thread-safe. Every call that takes a store raises S3Failure."""

    def __init__(self, learn: Callable[[ObjectStore, int], Proof], *, clock: Clock) -> None:
        """Take `learn`: asks the destination, with a body of so many bytes."""
        self._learn = learn
        self._clock = clock
        self._asking = threading.Lock()
        self._changing = threading.Lock()
        self._lesson: Lesson | None = None
        self._due_at = 0.0
        """Monotonic."""
        self._number = 0
        self.most_parts = MOST_PARTS
        """Learnt by being refused more; remembered over restarts by the journal."""

    @property
    def lesson(self) -> Lesson | None:
        """None until something was learnt, and after a contradiction."""
        return self._lesson

    def voucher_for_single(self, size: int) -> Voucher | None:
        """What a single request of that size carries and is known to be compared; None: nothing is known yet."""
        lesson = self._lesson
        return lesson.single if lesson is not None and size <= lesson.single_up_to else None

    def goes_in_parts(self) -> bool:
        """Whether small files do, too."""
        lesson = self._lesson
        return lesson is not None and lesson.proof.voucher is not None and lesson.single is None

    def require(self, store: ObjectStore, *, size: int, url: str, trusted: bool, stop: threading.Event) -> Lesson:
        """What is known for bodies of that many bytes; asks where nothing is.

        Args:
            store: the destination.
            size: of the longest body, bytes.
            url: the destination's, for people.
            trusted: use it even though it vouches for nothing.
            stop: set when the uploader stops.

        Raises:
            S3Failure: it can't be asked, or vouches for nothing.
            StoppedError: another upload asks just now, or there is no time left.
        """
        lesson = self._lesson
        if lesson is None or not lesson.proof.covers(size) or self._clock.monotonic() >= self._due_at:
            try:
                lesson = self._ask(store, size=size, url=url, stop=stop)
            except S3Failure as error:
                error.kind = _OF_A_PROBE.get(error.kind, error.kind)
                raise
        if lesson.proof.voucher is None and not trusted:
            self._due_at = 0.0  # it may be mended by the next time
            failure = unverified(Step.UPLOAD_PART)
            failure.message = explain(Step.UPLOAD_PART, failure, where=url)[1]
            raise failure
        return lesson

    def _ask(self, store: ObjectStore, *, size: int, url: str, stop: threading.Event) -> Lesson:
        while not self._asking.acquire(blocking=False):
            lesson = self._lesson
            if lesson is not None and lesson.proof.covers(size):
                return lesson  # it is a day old: good enough while another asks
            if size <= LEAST:
                raise StoppedError  # must not wait: the one that asks may share this thread
            if stop.wait(_LOOK_AT_STOP):
                raise StoppedError
        try:
            lesson = self._lesson
            overdue = self._clock.monotonic() >= self._due_at
            if lesson is not None and lesson.proof.covers(size) and not overdue:
                return lesson
            try:
                proof = self._learn(store, _rung(size))
            except S3Failure as failure:
                if lesson is None or not lesson.proof.covers(size):
                    raise
                log.info("%s: what it vouches by is to be learnt anew later: %s", url, failure)
                self._due_at = self._clock.monotonic() + AGAIN
                return lesson
            return self._take(proof, url=url, overdue=overdue)
        finally:
            self._asking.release()

    def _take(self, proof: Proof, *, url: str, overdue: bool) -> Lesson:
        with self._changing:
            before = self._lesson
            proof = replace(proof, most_parts=min(proof.most_parts, self.most_parts))
            voucher = proof.voucher
            single = _SINGLES.get(voucher) if voucher is not None else Voucher.SHA256
            self._number += 1
            lesson = Lesson(proof=proof, single=single, number=self._number)
            if before is not None and before.proof.voucher is voucher and not overdue:
                # only the parts were in question
                lesson = replace(before, proof=proof)
            if before is None or before.proof.voucher is not voucher:
                log.info("%s vouches for what it stores by: %s", url, voucher or "nothing")
            self._lesson = lesson
            if before is None or overdue:
                self._due_at = self._clock.monotonic() + DAY
            return lesson

    def single_vouches(self, lesson: Lesson, *, size: int) -> None:
        """A single body of that size with a wrong value was refused for it."""
        with self._changing:
            if self._is_current(lesson):
                assert self._lesson is not None
                longest = max(self._lesson.single_up_to, size)
                self._lesson = replace(self._lesson, single_up_to=longest)

    def single_vouches_not(self, lesson: Lesson) -> None:
        """It was taken, or refused for something else."""
        with self._changing:
            if self._is_current(lesson):
                assert self._lesson is not None
                self._lesson = replace(self._lesson, single=None, single_up_to=-1)

    def single_answer(self, lesson: Lesson, *, told: bool) -> bool:
        """An answer to a single request names the checksum or not; whether that is as it was before."""
        with self._changing:
            if not self._is_current(lesson):
                return True
            assert self._lesson is not None
            before = self._lesson.single_told
            if before is None:
                self._lesson = replace(self._lesson, single_told=told)
            return told or not before

    def contradicted(self, lesson: Lesson, *, url: str, why: str) -> None:
        """An answer is not as it was when this was learnt: it is forgotten."""
        with self._changing:
            if self._is_current(lesson):
                log.warning("%s: %s; what it vouches by is learnt anew", url, why)
                self._lesson = None

    def limited(self, most: int) -> None:
        """An upload takes no more parts than that."""
        with self._changing:
            self.most_parts = min(self.most_parts, most)
            if self._lesson is not None:
                self._lesson = replace(self._lesson, proof=replace(self._lesson.proof, most_parts=self.most_parts))

    def _is_current(self, lesson: Lesson) -> bool:
        return self._lesson is not None and self._lesson.number == lesson.number


def _rung(size: int) -> int:
    """A length at or above it, of a few: not each longer body is to be tried anew."""
    return max(LEAST, 1 << max(size - 1, 0).bit_length())
