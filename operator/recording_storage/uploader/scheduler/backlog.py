"""What is there for a destination, all of it at once, by one statement: held, waiting, tried again, ended.

While it fails, its recordings wait, for their retry window and not longer.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from recording_storage.domain.amounts import counted
from recording_storage.domain.denial import Ending
from recording_storage.domain.retry_window import over_if_since, window_end
from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.core.recording import NOT_TRIED, Reason
from recording_storage.uploader.journal import destinations, group_transitions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable

    from recording_storage.uploader.core.plans import PlanBook
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.scheduler.side_effects import SideEffects

log = logging.getLogger(__name__)
_S = RecordingState


class Backlog:
    """Used by the scheduler's thread. Each call raises JournalError."""

    def __init__(self, parts: Parts, *, side_effects: SideEffects, running_time: Callable[[], float]) -> None:
        """`running_time` gives the seconds that uploaders of this spool have run."""
        self._parts = parts
        self._journal = parts.journal
        self._plans = parts.plans
        self._clock = parts.clock
        self._side_effects = side_effects
        self._running_time = running_time

    def is_empty(self, lane: Lane) -> bool:
        return self._journal.run(partial(destinations.is_empty, key=lane.key))

    def has_more_than(self, lane: Lane, few: int) -> bool:
        """Whether more recordings than that are on their way there."""
        return self._journal.run(partial(destinations.has_more_than, key=lane.key, few=few))

    # Of a destination that is held.

    def hold(self, lane: Lane) -> None:
        """Hold all that is due or waiting; its retry window runs from now, or goes on."""
        code = lane.error.code if lane.error is not None else ""
        if code == Reason.NO_PLAN:  # nothing is wrong with the destination
            held = self._move(lane, (_S.FOUND,), _S.WAITING, error=lane.error)
        else:
            running = None if code in NOT_TRIED else self._running_time()
            held = self._move(lane, (_S.FOUND, _S.WAITING), _S.HELD, running=running, error=lane.error)
        lane.hungry, lane.retry_due = False, None
        if lane.error is not None:
            self._side_effects.note_error(lane.error.message)
        if held:
            self.end_denied(lane)

    def release(self, lane: Lane) -> None:
        """Have all that waited tried again; its retry window goes on."""
        self._side_effects.works_again()
        count = self._move(lane, (_S.HELD, _S.WAITING, _S.REJECTED), _S.FOUND)
        lane.recovered_at = self._running_time()
        if count:
            log.info("%s tried again", counted(count, "recording"))
            self._parts.reporter.wake()

    def end_denied(self, lane: Lane) -> None:
        """End what is there for a destination whose denial has lasted, as the policy says."""
        if not lane.is_denied or lane.error is None:
            return
        for product in Product:
            policy = self._plans.policy(lane.account_sid, product)
            ending = lane.denial.ending(policy, product=product, proven=lane.proven)
            if ending is Ending.NONE:
                continue
            began_before = over_if_since(self._running_time(), window=policy.retry_window)
            end = partial(
                group_transitions.end_denied,
                destination=lane.key,
                product=product,
                delete=lane.denial.keys() if ending is Ending.DELETE else (),
                began_before=began_before if product is Product.VIDEO else None,
                now=self._clock.now(),
                error=lane.error,
            )
            deleted = self._journal.run(end)
            self._side_effects.follow(deleted)
            lane.denial.forget(change.recording.object_key for change in deleted)

    # Of one that fails.

    def wait_out(self, lane: Lane) -> None:
        """Have what is due wait; the destination is probed no later than the first of these would be parked."""
        assert lane.error is not None
        now, running, monotonic = self._clock.now(), self._running_time(), self._clock.monotonic()
        wait_out = partial(
            group_transitions.wait_out,
            lane=lane.key,
            now=now,
            running=running,
            retry_at=now + max((lane.probe_at or 0.0) - monotonic, 0.0),
            error=lane.error,
        )
        moved = self._journal.run(wait_out)
        lane.hungry, lane.retry_due = False, None
        if moved:
            self._parts.reporter.wake()
            self._parts.source.report_soon()
            lane.probe_by(monotonic + self._first_end(lane, moved) - running)

    def resume(self, lane: Lane) -> None:
        """Have what waits for its next try be due."""
        self._journal.run(partial(group_transitions.resume, lane=lane.key, now=self._clock.now()))

    def give_up(self, lane: Lane, *, asked: float) -> float | None:
        """Park what had no time left when the destination was asked in vain (monotonic).

        Returns when the next one has none left (monotonic); None: nothing waits.
        """
        now = self._clock.now()
        ahead = self._running_time() - self._clock.monotonic()

        def work(connection: sqlite3.Connection) -> list[tuple[str, float]]:
            park_expired(connection, lane, plans=self._plans, state=_S.WAITING, running=asked + ahead, now=now)
            return group_transitions.failing_longest(connection, lane.key)

        left = self._journal.run(work)
        return self._first_end(lane, left) - ahead if left else None

    def _first_end(self, lane: Lane, failing: Iterable[tuple[str, float]]) -> float:
        """When the first retry window ends, in running time; of pairs of product and failing_since."""
        windows = {p.value: self._plans.policy(lane.account_sid, p).retry_window for p in Product}
        return min(
            window_end(since, window=windows[product], recovered_at=lane.recovered_at) for product, since in failing
        )

    def _move(self, lane: Lane, before: Collection[RecordingState], after: RecordingState, **more: Any) -> int:
        now = self._clock.now()
        move = partial(group_transitions.move_lane, lane=lane.key, before=before, after=after, now=now, **more)
        return self._journal.run(move)


def park_expired(
    connection: sqlite3.Connection, lane: Lane, *, plans: PlanBook, state: RecordingState, running: float, now: float
) -> None:
    """Park what is in `state`, `held` or `waiting`, and had its whole retry window. Inside a transaction.

    Where the destination is held although its probe passed, each recording has a real try before. What is held by a
    denial has the grace of that instead.
    """
    waiting = state is RecordingState.WAITING
    if lane.is_denied:
        return
    for product in Product:
        window = plans.policy(lane.account_sid, product).retry_window
        began_before = over_if_since(running, window=window, recovered_at=lane.recovered_at if waiting else None)
        if began_before is not None:
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
