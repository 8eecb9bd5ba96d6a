"""The way to one destination: its worker pool, its concurrency, and whether it works."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from recording_storage.domain.denial import Denial
from recording_storage.domain.failures import FailureClass
from recording_storage.uploader.core.destination_state import PROBED, LaneState, require_lane_move
from recording_storage.uploader.journal.records import IN_PARTS, TRUSTED
from recording_storage.uploader.transfer.worker_pool import MAX_CONCURRENCY, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.domain.bucket_url import BucketLocation
    from recording_storage.domain.failures import S3Failure
    from recording_storage.protocol.plan import DestinationPlan
    from recording_storage.uploader.core.destination_state import LaneKey
    from recording_storage.uploader.core.ports import ObjectStore
    from recording_storage.uploader.core.recording import EntryError
    from recording_storage.uploader.transfer.checksum_trust import ChecksumTrust
    from recording_storage.uploader.transfer.part_pool import PartShare
    from recording_storage.uploader.transfer.task import Outcome, Task
    from recording_storage.uploader.transfer.upload_slots import UploadSlots

log = logging.getLogger(__name__)

TROUBLE_AFTER = 3
"""Failures in a row, of the kind that passes, after which a destination counts as failing."""
_NO_WORD = frozenset({FailureClass.THROTTLED, FailureClass.MULTIPART_LOST})
"""Failures that say neither that a destination works nor that it doesn't."""
DEFECT = "Defect"
"""The code of a failure that is the uploader's own."""


class Lane:
    """Made and moved by the scheduler's thread alone; workers take tasks from it."""

    def __init__(
        self,
        key: LaneKey,
        *,
        perform: Callable[[Lane, Task], Outcome],
        done: Callable[[Lane, Outcome], None],
        slots: UploadSlots,
        share: PartShare,
        trust: ChecksumTrust,
    ) -> None:
        """`perform` uploads a task, in a worker, and raises nothing; `done` takes what came of it."""
        self.key = key
        self.state = LaneState.OK
        """Moved by `become` alone."""
        self.error: EntryError | None = None
        """Why it is in that state."""
        self.terms: DestinationPlan | None = None
        self.store: ObjectStore | None = None
        self.location: BucketLocation | None = None
        self.share = share
        self.trust = trust
        self.proven = False
        self.fresh_credential = False
        """The credential was looked up afresh and has not worked since."""
        self.hungry = True
        """The journal may have work for it."""
        self.retry_due: float | None = None
        """POSIX time of the next retry."""
        self.probe_at: float | None = None
        """Monotonic."""
        self.probes = 0
        """In a row since something was stored: those that failed, and those that promised too much."""
        self.failures = 0
        """In a row, of the kind that passes, since the destination last did or refused what was asked."""
        self.suspicion: S3Failure | None = None
        """One of them for which it is still to be judged whether the destination is at fault."""
        self.answered = False
        """Its last probe passed although nothing could be stored since: what that means, only a recording can tell."""
        self.recovered_at: float | None = None
        """Uploader running time, in seconds, when it last came back from being held."""
        self.denial = Denial()
        """Whether it denies the right to store, and for how long."""
        self.busy = 0
        """Tasks that were put there and are not settled yet: queued, under way, or what came of them is gathered."""
        self.limbo: list[Outcome] = []
        """Failures that wait for what `CHECKING` finds out."""
        self.at_rest_since: float | None = None
        """Monotonic time when it was first seen so; None once there is something to do."""
        self._cut_at = -1e9
        self._workers = WorkerPool(
            perform=partial(perform, self), done=partial(done, self), slots=slots, interleaved=key[1] is not None
        )

    @property
    def account_sid(self) -> str:
        return self.key[0]

    @property
    def destination_id(self) -> str | None:
        return self.key[1]

    @property
    def url(self) -> str:
        return self.location.url if self.location is not None else ""

    @property
    def concurrency(self) -> int:
        return int(self._workers.limit)

    @property
    def queued(self) -> int:
        return self._workers.queued

    @property
    def is_denied(self) -> bool:
        """It is held because it denies access."""
        return self.state is LaneState.HELD and self.error is not None and self.error.kind == FailureClass.FATAL.value

    @property
    def is_doubted(self) -> bool:
        """Nothing was stored since it was last probed: a few recordings are tried before all of them."""
        return self.probes > 0

    @property
    def is_careful(self) -> bool:
        """Not all that waits is tried at once."""
        return self.is_doubted or self.is_unlearnt

    @property
    def is_unlearnt(self) -> bool:
        """Nothing is known of what it vouches by: the first recording finds out, alone."""
        return self.destination_id is not None and self.trust.lesson is None

    def carried_by_single(self, size: int) -> str:
        """What a single request of that many bytes carries, for the journal; or IN_PARTS."""
        lesson = self.trust.lesson
        trusted = self.terms is not None and self.terms.trust_unverified
        if trusted and lesson is not None and lesson.proof.voucher is None:
            return TRUSTED
        return self.trust.voucher_for_single(size) or IN_PARTS

    def become(self, state: LaneState, *, error: EntryError | None = None) -> None:
        """Move it. Raises IllegalLaneMoveError."""
        require_lane_move(self.state, state)
        self.state, self.error = state, error
        if state not in PROBED:
            self.probe_at = None

    def probe_by(self, moment: float) -> None:
        """Probe it no later than then (monotonic), unless it is asked just now."""
        if self.probe_at is not None:
            self.probe_at = min(self.probe_at, moment)

    @property
    def is_at_rest(self) -> bool:
        """It works, and there is nothing to do for it, now or at a time that is known."""
        return (
            self.state is LaneState.OK
            and not (self.hungry or self.busy or self.limbo)
            and self.retry_due is None
            and self.suspicion is None
        )

    def put(self, tasks: Sequence[Task]) -> None:
        self.at_rest_since = None
        self.busy += len(tasks)
        self._workers.put(tasks)

    def drain(self) -> list[Task]:
        return self._workers.drain()

    def succeeded(self) -> None:
        """It works: a little more at a time, until something objects."""
        self.failures = self.probes = 0
        self.suspicion, self.answered = None, False
        if self.state is LaneState.FAILING:
            self.probe_by(0.0)  # one that was under way has found out
        self._workers.limit = min(MAX_CONCURRENCY, self._workers.limit + 1.0 / self._workers.limit)

    def failed(self, failure: S3Failure) -> None:
        """Note what a failure says of the destination."""
        if failure.kind is FailureClass.TRANSIENT:
            self.failures += failure.code != DEFECT
            self.suspicion = failure if self.failures >= TROUBLE_AFTER else None
        elif failure.kind not in _NO_WORD:
            self.failures = 0

    def cut(self, *, now: float) -> None:
        """Half as much at a time; failures of one moment count once. `now` is monotonic."""
        if now - self._cut_at >= 1.0:
            self._cut_at = now
            self._workers.limit = max(1.0, self._workers.limit / 2)

    def drop_client(self) -> None:
        """The next upload makes a new one, with the plan's present credential."""
        if self.store is not None:
            self.store.close()
        self.store = None
