"""What becomes of recordings while their destination fails: they wait, for their retry window and not longer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.journal import group_transitions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from recording_storage.uploader.core.plans import PlanBook
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane

log = logging.getLogger(__name__)


class RetryWindows:
    """Moves a failing destination's recordings by one statement; used by the scheduler's thread.

    Every call raises JournalError.
    """

    def __init__(self, parts: Parts, *, running_time: Callable[[], float]) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._running_time = running_time

    def wait_out(self, lane: Lane) -> None:
        """Have what is due wait; the destination is probed no later than the first of these would be parked."""
        assert lane.error is not None
        now, running, error = self._clock.now(), self._running_time(), lane.error
        monotonic = self._clock.monotonic()
        retry_at = now + max((lane.probe_at or 0.0) - monotonic, 0.0)
        moved = self._parts.journal.run(
            lambda connection: group_transitions.wait_out(
                connection, lane.key, now=now, running=running, retry_at=retry_at, error=error
            )
        )
        lane.hungry, lane.retry_due = False, None
        if moved:
            self._tell()
            lane.probe_by(monotonic + self._first_end(lane, moved) - running)

    def resume(self, lane: Lane) -> None:
        """Have what waits for its next try be due."""
        now = self._clock.now()
        self._parts.journal.run(lambda connection: group_transitions.resume(connection, lane.key, now=now))

    def give_up(self, lane: Lane, *, asked: float) -> float | None:
        """Park what had no time left when the destination was asked in vain (monotonic).

        Returns when the next one has none left (monotonic); None: nothing waits.
        """
        now, plans = self._clock.now(), self._parts.plans
        ahead = self._running_time() - self._clock.monotonic()

        def work(connection: sqlite3.Connection) -> list[tuple[str, float]]:
            park_expired(connection, lane, plans=plans, state=RecordingState.WAITING, running=asked + ahead, now=now)
            return group_transitions.failing_longest(connection, lane.key)

        left = self._parts.journal.run(work)
        return self._first_end(lane, left) - ahead if left else None

    def _first_end(self, lane: Lane, failing: Iterable[tuple[str, float]]) -> float:
        """When the first retry window ends, in running time; of pairs of product and failing_since.

        After a hold, none began before the recovery: what the destination was held for is over.
        """
        windows = {p.value: self._parts.plans.policy(lane.account_sid, p).retry_window for p in Product}
        return min(max(since, lane.recovered_at or 0.0) + windows[product] for product, since in failing)

    def _tell(self) -> None:
        self._parts.reporter.wake()
        self._parts.source.report_soon()


def park_expired(
    connection: sqlite3.Connection, lane: Lane, *, plans: PlanBook, state: RecordingState, running: float, now: float
) -> None:
    """Park what is in `state`, `held` or `waiting`, and had its whole retry window. Inside a transaction.

    Where the destination is held although its probe passed, each recording has a real try before. What waits has its
    window from the recovery on, should the destination have been held meanwhile. What is held by a denial has the
    grace of that instead.
    """
    waiting = state is RecordingState.WAITING
    if lane.is_denied:
        return
    for product in Product:
        began_before = running - plans.policy(lane.account_sid, product).retry_window
        if waiting and lane.recovered_at is not None and lane.recovered_at > began_before:
            continue
        group_transitions.park_expired(
            connection,
            lane.key,
            state=state,
            product=product,
            began_before=began_before,
            now=now,
            error=lane.error if waiting else None,
            tried=lane.answered and not waiting,
        )
