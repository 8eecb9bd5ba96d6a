"""The port `StateView` over a running uploader."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.destination_state import LaneState
from recording_storage.uploader.core.recording import NOT_TRIED
from recording_storage.uploader.core.status import DestinationStatus, Status
from recording_storage.uploader.journal import queries, transitions
from recording_storage.uploader.spool.filesystem import space
from recording_storage.uploader.transfer.worker_pool import MAX_CONCURRENCY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from recording_storage.uploader.core.destination_state import LaneKey
    from recording_storage.uploader.core.recording import Recording
    from recording_storage.uploader.core.status import StateReason
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.scheduler.scheduler import Scheduler
    from recording_storage.uploader.spool.intake import Intake


class RunningView:
    """Used by many threads."""

    def __init__(self, parts: Parts, *, scheduler: Scheduler, intake: Intake) -> None:
        self._parts = parts
        self._scheduler = scheduler
        self._intake = intake
        self._started_at = parts.clock.now()

    def recordings(
        self, *, after: int = 0, limit: int = 1000, states: Collection[RecordingState] = (), sids: Collection[str] = ()
    ) -> Sequence[Recording]:
        found = self._parts.journal.run(partial(queries.listed, after=after, limit=limit, states=states, sids=sids))
        failing = {lane.key: lane for lane in list(self._scheduler.lanes.values()) if lane.state is LaneState.FAILING}
        return [self._at_the_next_probe(one, failing) for one in found] if failing else found

    def _at_the_next_probe(self, one: Recording, failing: Mapping[LaneKey, Lane]) -> Recording:
        """What waits for a destination that is probed is not tried before that; the journal isn't told each time."""
        lane = failing.get((one.account_sid, one.destination_id))
        if lane is None or one.state is not RecordingState.WAITING or one.retry_at is None:
            return one
        clock = self._parts.clock
        return one._replace(retry_at=clock.now() + max((lane.probe_at or 0.0) - clock.monotonic(), 0.0))

    def retry(self, sids: Collection[str] | None, *, account_sid: str = "") -> Sequence[str]:
        """See the port; `account_sid` keeps to one account's."""
        now = self._parts.clock.now()
        moved = self._parts.journal.run(
            lambda connection: transitions.retry(connection, sids=sids, now=now, account_sid=account_sid)
        )
        self._intake.look_again()
        if moved:
            self._scheduler.retried()
            self._parts.reporter.wake()
        return moved

    def obstacle(self, recording: Recording) -> str:
        """See the port: its destination is held."""
        lane = (
            self._scheduler.lanes.get((recording.account_sid, recording.destination_id)) if recording.pinned else None
        )
        if lane is None or lane.state is not LaneState.HELD or lane.error is None:
            return ""
        mended = "its settings are mended" if lane.error.code in NOT_TRIED else "it works, which is asked now"
        return f"its destination is held until {mended} ({lane.error.code}: {lane.error.message})"

    def reasons(self) -> Sequence[StateReason]:
        return self._parts.journal.run(queries.reasons)

    def status(self) -> Status:
        parts = self._parts
        states, oldest = parts.journal.run(lambda connection: (queries.tallies(connection), queries.oldest(connection)))
        free = space(parts.spool.root)
        return Status(
            spool=str(parts.spool.root),
            spool_id=parts.spool.id,
            started_at=self._started_at,
            states=states,
            oldest=oldest,
            unfinished=self._intake.growing,
            unproven=self._intake.unproven(),
            free_bytes=free[0] if free else None,
            total_bytes=free[1] if free else None,
            intake_stopped=self._intake.stopped,
            destinations=[self._destination(lane) for lane in list(self._scheduler.lanes.values())],
            applied_revisions=parts.plans.revisions(),
            last_error=self._scheduler.side_effects.last_error,
            last_error_at=self._scheduler.side_effects.last_error_at,
            counters={**parts.counters.values(), "scans": self._intake.scans},
        )

    def _destination(self, lane: Lane) -> DestinationStatus:
        clock = self._parts.clock
        state: str = lane.state.value
        if lane.state is LaneState.OK and lane.concurrency < MAX_CONCURRENCY:
            state = "throttled"
        probe_at, lesson = lane.probe_at, lane.trust.lesson
        return DestinationStatus(
            account_sid=lane.account_sid,
            destination_id=lane.destination_id,
            url=lane.url,
            state=state,
            concurrency=lane.concurrency,
            error=lane.error.message if lane.error is not None else "",
            probe_at=None if probe_at is None else clock.now() + probe_at - clock.monotonic(),
            vouches_by=None if lesson is None else lesson.proof.voucher or "nothing",
        )
