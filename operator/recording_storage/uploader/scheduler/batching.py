"""What workers bring back, until it is settled: in groups, because each commit costs an fsync, and soon."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.transfer.task import Outcome

MOST = 96
"""Outcomes that are settled in one commit, …"""
LINGER = 0.1
"""… unless this many seconds pass first."""


class Gathering:
    """`put` from any thread; the rest in the scheduler's."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._outcomes: queue.SimpleQueue[tuple[Lane, Outcome]] = queue.SimpleQueue()
        self.unsettled: dict[Lane, list[Outcome]] = {}
        """What has been gathered; the scheduler takes out what it has settled."""
        self.until: float | None = None
        """Monotonic: more is waited for until then, and the scheduler need not be woken for each."""

    def put(self, lane: Lane, outcome: Outcome) -> bool:
        """Whether there is reason to look at once."""
        self._outcomes.put((lane, outcome))
        return self.until is None or self._outcomes.qsize() >= MOST

    def gather(self, *, more_to_come: bool) -> bool:
        """Take what has come; whether it is time to settle it."""
        while not self._outcomes.empty():
            lane, outcome = self._outcomes.get()
            self.unsettled.setdefault(lane, []).append(outcome)
        count = sum(len(outcomes) for outcomes in self.unsettled.values())
        now = self._clock.monotonic()
        if more_to_come and 0 < count < MOST:
            self.until = self.until or now + LINGER
            if now < self.until:
                return False
        self.until = None
        return True

    def is_empty(self) -> bool:
        return not self.unsettled and self._outcomes.empty()
