"""Finds out what is wrong with a destination, and whether it works again: by the verify sequence, not by recordings.

Everything here begins and ends in the scheduler's thread; only the asking itself runs in threads of its own.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from recording_storage.domain.backoff import doubled, full_jitter
from recording_storage.domain.denial import LEAST_DENIED
from recording_storage.domain.failures import PASSING, S3Failure
from recording_storage.domain.states import Product
from recording_storage.uploader.core.destination_state import LaneState
from recording_storage.uploader.core.recording import NOT_TRIED, Reason
from recording_storage.uploader.core.usability import reason, unusable
from recording_storage.uploader.scheduler.checks import Checks
from recording_storage.uploader.scheduler.destination import TROUBLE_AFTER
from recording_storage.uploader.scheduler.prober import LOOK_UP, Prober, name
from recording_storage.uploader.scheduler.results import error_of
from recording_storage.uploader.transfer.abandoned import sweep
from recording_storage.uploader.transfer.watched_client import WatchedStore
from recording_storage.uploader.transfer.worker_pool import MAX_CONCURRENCY

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.core.recording import EntryError
    from recording_storage.uploader.scheduler.backlog import Backlog
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.scheduler.dispatch import Dispatch
    from recording_storage.uploader.scheduler.prober import Settles

log = logging.getLogger(__name__)

FIRST_PROBE, MOST_PROBE = 5.0, 300.0
"""Seconds, of which at least half are waited before a held destination is probed; doubled with each probe in vain."""
MOST_WHILE_FAILING = 60.0
"""Seconds after which a failing destination is probed at the latest: trouble that passes ends without anybody's doing,
and what waits goes on within a minute of that."""
FEW = MAX_CONCURRENCY
"""Recordings that find out by themselves whether a failing destination works again: they make no queue there."""


class HealthChecks:
    """Used by the scheduler's thread."""

    def __init__(self, parts: Parts, *, scheduler: Settles, backlog: Backlog, dispatch: Dispatch) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._backlog = backlog
        self._dispatch = dispatch
        self.prober = Prober(parts, post=scheduler.post)
        self.checks = Checks(parts, scheduler=scheduler, prober=self.prober)

    def connect(self, lane: Lane) -> bool:
        """Make sure that the lane has a client; False: it was held, and the lane says why."""
        if lane.store is not None:
            return True
        if lane.destination_id is None:
            if self._parts.media is None:
                self.hold(lane, reason(Reason.NO_CREDENTIAL, "there is no media storage without a settings store"))
                return False
            return True
        terms = self.prober.terms(lane)
        if (error := unusable(terms, live=self._parts.plans.live)) is not None:
            self.hold(lane, error)
            return False
        assert terms is not None
        try:
            store = self._parts.connections.connect(terms)
        except S3Failure as failure:
            self.hold(lane, error_of(failure))
            return False
        lane.store = WatchedStore(store, denial=lane.denial, clock=self._clock)
        lane.terms, lane.location = terms, terms.location
        proven, most_parts = self._dispatch.keep_terms(lane, terms)
        lane.proven = lane.proven or terms.proven or proven
        if most_parts is not None:
            lane.trust.limited(most_parts)
        self.sweep(lane)
        return True

    def sweep(self, lane: Lane) -> None:
        """Have uploads that were given up aborted; without a client, that is done with the next one."""
        if (store := lane.store) is None:
            return

        def ask() -> Callable[[], None]:
            sweep(lane.key, store, journal=self._parts.journal)
            return lambda: None  # an answer that changes nothing

        self.prober.ask(lane, ask)

    def new_terms(self, lane: Lane) -> None:
        """Another plan is in force: perhaps another credential, perhaps what was wrong is mended."""
        if lane.destination_id is None:
            return
        terms = self.prober.terms(lane)
        waits_for_plan = lane.state is LaneState.HELD and lane.error is not None and lane.error.code == Reason.NO_PLAN
        if terms == lane.terms and not waits_for_plan:
            return  # a probe fetches the plan itself: if that led to another one, there would be no end
        if terms != lane.terms:
            lane.denial.allowed()  # what was denied, was denied to another key pair
        lane.terms = terms
        if lane.state is not LaneState.CHECKING:
            lane.drop_client()
        if lane.state is LaneState.HELD:
            if waits_for_plan and unusable(terms, live=True) is None:
                self._recovered(lane)
            else:
                lane.probes, lane.probe_at = 0, self._clock.monotonic()
        elif lane.state is LaneState.FAILING:
            lane.probe_at = self._clock.monotonic()

    # Holding and probing.

    def hold(self, lane: Lane, error: EntryError) -> None:
        """Hold the destination with all its recordings. Raises JournalError."""
        if lane.state is not LaneState.HELD or lane.error != error:
            level = logging.INFO if error.code == Reason.NO_PLAN else logging.ERROR
            log.log(level, "%s is held: %s", name(lane), error.message)
        fresh = lane.state is not LaneState.HELD
        lane.become(LaneState.HELD, error=error)
        if fresh:
            self._schedule_probe(lane)
        self._backlog.hold(lane)
        self._backlog.end_denied(lane)

    def look_at(self, lane: Lane) -> None:
        """Do what is due: probe it, or judge whether it is at fault. Raises JournalError."""
        if lane.probe_at is not None and self._clock.monotonic() >= lane.probe_at:
            self.probe(lane)
        if lane.suspicion is not None:
            self._judge(lane, lane.suspicion)

    def _judge(self, lane: Lane, failure: S3Failure) -> None:
        """After failures in a row: more than a few recordings don't find out for themselves, it is probed for them.

        Nothing more is sent there until it answers.
        """
        if lane.state is LaneState.OK and self._backlog.has_more_than(lane, FEW):
            log.warning("%s fails, it is probed until it answers: %s", name(lane), failure)
            lane.become(LaneState.FAILING, error=error_of(failure))
            lane.hungry = True
            self._schedule_probe(lane)
            if lane.is_doubted:  # the probe has promised too much: these were the last tries of the first windows
                self._give_up(lane, asked=self._clock.monotonic())
        lane.suspicion = None

    def probe(self, lane: Lane) -> None:
        """Ask whether a destination works again."""
        lane.probe_at = None
        asked, look_up = self._clock.monotonic(), lane.state is LaneState.HELD
        if lane.destination_id is None:
            self._probed(lane, None, asked=asked)  # only a recording can tell
            return

        def ask() -> Callable[[], None]:
            if look_up:
                self._parts.source.refresh(timeout=LOOK_UP)  # what was wrong may have been mended there
            terms = self.prober.terms(lane)
            error = unusable(terms, live=self._parts.plans.live)
            if error is None and terms is not None and (failure := self.prober.verify(lane, terms)) is not None:
                error = error_of(failure)
            return lambda: self._probed(lane, error, asked=asked)

        self.prober.ask(lane, ask)

    def _probed(self, lane: Lane, error: EntryError | None, *, asked: float) -> None:
        if lane.state is LaneState.HELD:
            if error is None:
                self._recovered(lane)
            else:
                self._in_vain(lane, error)
        elif lane.state is LaneState.FAILING:
            if error is None or error.kind not in PASSING:
                self._answers(lane)  # a refusal is an answer, too: recordings find out what it means for them
            else:
                self._still_failing(lane, error, asked=asked)

    def _recovered(self, lane: Lane) -> None:
        log.info("%s works again", name(lane))
        self._backlog.release(lane)
        lane.drop_client()
        lane.become(LaneState.OK)
        lane.answered = True
        # Probed more slowly should it be held again before anything was stored: the probe does not see what is wrong.
        lane.probes += 1
        lane.fresh_credential = False
        lane.hungry = True

    def _in_vain(self, lane: Lane, error: EntryError) -> None:
        if error != lane.error:
            log.error("%s is still held: %s", name(lane), error.message)
            lane.become(LaneState.HELD, error=error)
        lane.answered = False
        lane.probes += 1
        self._schedule_probe(lane)
        self._backlog.end_denied(lane)

    def _answers(self, lane: Lane) -> None:
        log.info("%s answers again", name(lane))
        self._backlog.resume(lane)
        lane.become(LaneState.OK)
        lane.probes += 1  # as above
        lane.failures = TROUBLE_AFTER - 1  # should a recording say otherwise, it is believed at once
        lane.hungry = True

    def _still_failing(self, lane: Lane, error: EntryError, *, asked: float) -> None:
        lane.become(LaneState.FAILING, error=error)
        lane.probes += 1
        self._schedule_probe(lane)
        self._give_up(lane, asked=asked)

    def _give_up(self, lane: Lane, *, asked: float) -> None:
        """Park those whose time was over when it was `asked`; it is asked again when the next one's is."""
        window_ends = self._backlog.give_up(lane, asked=asked)
        if window_ends is not None:
            lane.probe_by(window_ends)

    def _schedule_probe(self, lane: Lane) -> None:
        if lane.error is not None and lane.error.code in NOT_TRIED:
            lane.probe_at = None  # only another plan can mend it
            return
        failures = lane.probes + 1
        if lane.state is LaneState.FAILING:
            delay = full_jitter(failures, uniform=random.uniform, most=MOST_WHILE_FAILING)
        else:
            first, most = FIRST_PROBE / 2, self._longest_pause(lane) / 2
            delay = doubled(failures, first=first, most=most)
            delay += full_jitter(failures, uniform=random.uniform, first=first, most=most)
        lane.probe_at = self._clock.monotonic() + delay

    def _longest_pause(self, lane: Lane) -> float:
        """Seconds; a denial is asked about often enough for its evidence to be complete when the grace is over."""
        if not lane.is_denied:
            return MOST_PROBE
        policies = {product: self._parts.plans.policy(lane.account_sid, product) for product in Product}
        graces = [policy.grace(product) for product, policy in policies.items()]
        left = [grace for grace in graces if not lane.denial.lasts(grace, least=LEAST_DENIED)]
        return max(FIRST_PROBE, min([MOST_PROBE, *(grace / LEAST_DENIED for grace in left)]))
