"""The scheduler: one thread that gives work to the destinations' workers and settles what they bring back.

Everything that moves a recording before it is stored happens here, in groups: one commit for what has gathered.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

from recording_storage.domain.states import RecordingState
from recording_storage.domain.upload_decision import Confirmation
from recording_storage.uploader.core.destination_state import LaneKey, LaneState
from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.journal.database import JournalDamagedError, JournalError
from recording_storage.uploader.journal.pinning import STALE_PLAN_AFTER, Pinning
from recording_storage.uploader.scheduler.backlog import Backlog
from recording_storage.uploader.scheduler.batching import Gathering
from recording_storage.uploader.scheduler.destination import Lane
from recording_storage.uploader.scheduler.dispatch import Dispatch
from recording_storage.uploader.scheduler.health import HealthChecks
from recording_storage.uploader.scheduler.idle_resources import IdleResources
from recording_storage.uploader.scheduler.maintenance import Maintenance
from recording_storage.uploader.scheduler.results import Results
from recording_storage.uploader.scheduler.side_effects import SideEffects
from recording_storage.uploader.scheduler.stopping import Stopping
from recording_storage.uploader.scheduler.worker import Worker
from recording_storage.uploader.transfer.checksum_trust import ChecksumTrust
from recording_storage.uploader.transfer.part_pool import PartPool
from recording_storage.uploader.transfer.task import Outcome, Surroundings
from recording_storage.uploader.transfer.upload_slots import UploadSlots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.spool.intake import Intake

log = logging.getLogger(__name__)
_S = RecordingState

CLAIM = 128
"""Recordings that are claimed for a destination in one commit."""
LOW = 32
"""Queued recordings below which a destination is given more."""
SLOTS = 32
"""Uploads at a time over all destinations; …"""
LENT = 96
"""… and as many more at most, when as many hang: twelve destinations that take all that they may and say nothing."""
JOURNAL_PAUSE = 1.0
"""Seconds until a journal that took nothing is tried again."""


class Scheduler:
    """`run` in a thread of its own; `post`, `found`, `retried`, `plans_changed` and `stop` from any thread."""

    def __init__(
        self,
        parts: Parts,
        *,
        intake: Intake,
        progressed: Callable[[str, int, int], None],
        stale_plan_after: float = STALE_PLAN_AFTER,
    ) -> None:
        self._parts = parts
        self._intake = intake
        self._clock = parts.clock
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._again: list[Callable[[], None]] = []
        """Posted work that the journal did not take yet."""
        self._gathering = Gathering(clock=parts.clock)
        self._wake = threading.Event()
        self._stopping = Stopping(clock=parts.clock)
        self._slots = UploadSlots(SLOTS, most_lent=LENT, clock=parts.clock)
        self.part_pool = PartPool()
        self._journal_pause: float | None = None
        self.lanes: dict[LaneKey, Lane] = {}
        self.side_effects = SideEffects(parts, intake=intake)

        def note_progress(sid: str, done: int, size: int) -> None:
            self._slots.moved(sid)
            progressed(sid, done, size)

        self._worker = Worker(
            Surroundings(
                spool=parts.spool,
                journal=parts.journal,
                clock=parts.clock,
                stop=self._stopping.no_time_left,
                progressed=note_progress,
                is_reopened=intake.examiner.is_reopened,
            ),
            media=parts.media,
        )
        self._results = Results(plans=parts.plans, clock=parts.clock)
        self._dispatch = Dispatch(journal=parts.journal, plans=parts.plans, clock=parts.clock)
        self.pinning = Pinning(
            journal=parts.journal, plans=parts.plans, clock=parts.clock, stale_after=stale_plan_after
        )
        self.maintenance = Maintenance(parts)
        self._backlog = Backlog(parts, side_effects=self.side_effects, running_time=self.maintenance.running_time)
        self._idle_resources = IdleResources(parts, pool=self.part_pool, backlog=self._backlog)
        self._health = HealthChecks(parts, scheduler=self, backlog=self._backlog, dispatch=self._dispatch)
        self.idle = threading.Event()
        """Nothing is queued or under way, and nothing is due now; cleared when something comes."""

    # From any thread.

    def post(self, work: Callable[[], None]) -> None:
        """Have something done in the scheduler's thread; again, if the journal does not take it."""
        self.idle.clear()
        self._inbox.put(work)
        self._wake.set()

    def found(self) -> None:
        """Intake has made entries."""
        self.post(self._all_hungry)

    def retried(self) -> None:
        """Somebody has asked for retries, and the journal has made the entries found again."""
        self.post(self._forgive)

    def plans_changed(self) -> None:
        """Other plans are in force."""
        self.post(self._take_plans)

    def stop(self, *, grace: float) -> None:
        """End: nothing new begins, what is under way has `grace` seconds; then `run` returns."""
        self.post(lambda: self._stop(grace))

    # In the scheduler's thread.

    def run(self) -> None:
        """Until it is stopped. Raises JournalDamagedError: the next start repairs that."""
        self.maintenance.load()
        for key, held in self._dispatch.recover():
            lane = self.lane(key)
            if held is not None:
                lane.become(LaneState.HELD, error=held)
                lane.probe_at = self._clock.monotonic()
        while not self._finished():
            self._clock.wait(self._wake, self._timeout())
            self._wake.clear()
            more_to_come = self._inbox.empty() and any(lane.queued for lane in self.lanes.values())
            if self._gathering.gather(more_to_come=more_to_come):
                self._round()
        for lane in self.lanes.values():
            lane.drop_client()
        self.maintenance.save()

    def _round(self) -> None:
        if self._journal_pause is not None and self._clock.monotonic() < self._journal_pause:
            return
        try:
            self._take_posted()
            self._settle_gathered()
            self.maintenance.run(self.lanes.values())
            if not self._health.prober.asking:
                self._idle_resources.look(self.lanes)
            self.pinning.run()
            for lane in list(self.lanes.values()):
                self._serve(lane)
        except JournalDamagedError:
            raise
        except JournalError as error:
            if self._journal_pause is None:
                log.error("%s; nothing is lost, it is tried again", error)  # noqa: TRY400 - no defect of ours
            self._journal_pause = self._clock.monotonic() + JOURNAL_PAUSE
            self.side_effects.note_error(str(error))
            return
        if self._journal_pause is not None:
            self._journal_pause = None
            self.side_effects.works_again()
            log.info("the journal takes changes again")
        idle = self._is_idle()
        self.side_effects.telling.tell(at_once=idle or self._stopping.begun)
        if idle:
            self.idle.set()

    def _take_posted(self) -> None:
        while not self._inbox.empty():
            self._again.append(self._inbox.get())
        while self._again:
            self._again[0]()  # stays in front when the journal doesn't take it
            del self._again[0]

    def lane(self, key: LaneKey) -> Lane:
        """The destination's lane; made when it is first asked for."""
        if key not in self.lanes:
            trust = ChecksumTrust(self._parts.connections.learn, clock=self._clock)
            self.lanes[key] = Lane(
                key,
                perform=self._worker.perform,
                done=self._done,
                slots=self._slots,
                share=self.part_pool.share(),
                trust=trust,
            )
        return self.lanes[key]

    def _timeout(self) -> float:
        """Seconds until time alone makes something due; nothing is done before what gathers is settled."""
        now = self._clock.monotonic()
        if self._gathering.until is not None:
            return max(self._gathering.until - now, 0.0)
        if self._journal_pause is not None:
            return max(self._journal_pause - now, 0.0)
        due = [self.maintenance.next_at - now]
        if self.pinning.due_at is not None:
            due.append(self.pinning.due_at - now)
        if self.side_effects.telling.due_at is not None:
            due.append(self.side_effects.telling.due_at - now)
        if self._stopping.give_up_at is not None:
            due.append(self._stopping.give_up_at - now)
        for lane in self.lanes.values() if not self._stopping.begun else ():
            if lane.probe_at is not None:
                due.append(lane.probe_at - now)
            if lane.retry_due is not None and lane.state is LaneState.OK:
                due.append(lane.retry_due - self._clock.now())
        return max(min(due), 0.0)

    def _is_idle(self) -> bool:
        if self._health.prober.asking or not self._inbox.empty():
            return False
        return not any(
            lane.busy
            or lane.limbo
            or (lane.hungry and lane.state is not LaneState.CHECKING and not self._stopping.begun)
            for lane in self.lanes.values()
        )

    # Stopping.

    def _stop(self, grace: float) -> None:
        if self._stopping.begin(grace):
            for lane in self.lanes.values():
                self._take_back(lane)

    def _finished(self) -> bool:
        if not self._stopping.begun:
            return False
        return self._stopping.is_over(busy=any(lane.busy for lane in self.lanes.values()))

    # What is posted.

    def _all_hungry(self) -> None:
        for key in self._dispatch.lanes_with_work():
            self.lane(key).hungry = True

    def _forgive(self) -> None:
        """A retry is a real try where a destination fails; one that is held is asked at once whether it works."""
        for lane in self.lanes.values():
            if lane.state is LaneState.FAILING:
                self._backlog.resume(lane)
                lane.become(LaneState.OK)
                lane.failures = 0
            elif lane.state is LaneState.HELD and lane.destination_id is not None:
                lane.probe_at = self._clock.monotonic()
        self._all_hungry()

    def _take_plans(self) -> None:
        self.pinning.take()
        if (everybody := self._parts.plans.everybody) is not None:
            self._dispatch.repin(everybody)
            for key, lane in list(self.lanes.items()):
                if not lane.busy and not lane.limbo and self._backlog.is_empty(lane):
                    lane.drop_client()  # whether it can be reached is nobody's concern any more
                    del self.lanes[key]
        for lane in self.lanes.values():
            self._health.new_terms(lane)
        self._all_hungry()

    # Giving work. Everything from here on raises JournalError.

    def _serve(self, lane: Lane) -> None:
        if self._stopping.begun:
            return
        self._health.look_at(lane)
        if lane.retry_due is not None and self._clock.now() >= lane.retry_due:
            lane.hungry, lane.retry_due = True, None
        if not lane.hungry or lane.state is LaneState.CHECKING:
            return
        if lane.state is LaneState.HELD:
            self._backlog.hold(lane)
        elif lane.state is LaneState.FAILING:
            self._take_back(lane)
            self._backlog.wait_out(lane)
        elif lane.queued < LOW and not (lane.is_careful and lane.busy) and self._health.connect(lane):
            careful = 1 if lane.is_unlearnt else lane.concurrency
            tasks = self._dispatch.claim(lane, limit=careful if lane.is_careful else CLAIM)
            fault_point("claimed")
            self._parts.counters.add("retries", sum(1 for task in tasks if task.recording.failures))
            lane.put(tasks)

    def _take_back(self, lane: Lane) -> None:
        """What is queued there and has not begun."""
        for task in lane.drain():
            self._done(lane, Outcome(task))

    def _done(self, lane: Lane, outcome: Outcome) -> None:
        self.idle.clear()
        if self._gathering.put(lane, outcome) or lane.queued < LOW:
            self._wake.set()

    # Settling.

    def _settle_gathered(self) -> None:
        unsettled = self._gathering.unsettled
        for lane in list(unsettled):
            self.settle(lane, unsettled[lane], confirmation=Confirmation.PENDING)
            lane.busy -= len(unsettled.pop(lane))

    def settle(self, lane: Lane, outcomes: Sequence[Outcome], *, confirmation: Confirmation) -> None:
        """Decide what becomes of them, and journal it. Raises JournalError: nothing has happened then."""
        measures = self._results.settle(
            lane, outcomes, running=self.maintenance.running_time(), confirmation=confirmation
        )
        stored = any(outcome.stored is not None for outcome in outcomes)
        if stored:
            fault_point("before-stored")
        made = self._dispatch.apply(measures.changes, proven=lane if stored and not lane.proven else None)
        if stored:
            fault_point("after-stored")
            lane.proven, lane.fresh_credential = True, False
        self.side_effects.note_outcomes(lane, outcomes)
        if any(change.after is _S.FOUND for change in made):
            lane.hungry = True
        self._dispatch.note_retries(lane, made)
        self.side_effects.follow(made)
        for path in measures.await_again:
            self._intake.await_again(path)
        if any(change.after is _S.DELETED for change in made):
            self._health.sweep(lane)
        if measures.hold is not None:
            self._health.hold(lane, measures.hold)
        if measures.refresh:
            self._health.checks.refresh(lane, measures.refresh)
        if measures.confirm:
            self._health.checks.confirm(lane, measures.confirm)
