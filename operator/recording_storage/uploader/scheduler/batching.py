"""What is done in groups, and soon, because each commit costs an fsync.

What workers bring back is gathered until it is settled; the reporter hears of changes in groups, at once when nothing
else is to be done. Each telling costs four fsyncs. What is told is released, by calls that take the interpreter's lock
from the uploads.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.transfer.task import Outcome

MOST_SETTLED = 96
"""Outcomes that are settled in one commit, …"""
LINGER = 0.1
"""… unless this many seconds pass first."""
MOST_TOLD = 1000
"""Changes that are told together, …"""
WITHIN = 1.0
"""… and the seconds after which they are told anyway."""


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
        return self.until is None or self._outcomes.qsize() >= MOST_SETTLED

    def gather(self, *, more_to_come: bool) -> bool:
        """Take what has come; whether it is time to settle it."""
        while not self._outcomes.empty():
            lane, outcome = self._outcomes.get()
            self.unsettled.setdefault(lane, []).append(outcome)
        count = sum(len(outcomes) for outcomes in self.unsettled.values())
        now = self._clock.monotonic()
        if more_to_come and 0 < count < MOST_SETTLED:
            self.until = self.until or now + LINGER
            if now < self.until:
                return False
        self.until = None
        return True


class Telling:
    """When the reporter hears of changes. Used by the scheduler's thread."""

    def __init__(self, wake: Callable[[], None], *, clock: Clock) -> None:
        """`wake` has the reporter look at the journal."""
        self._wake = wake
        self._clock = clock
        self._untold = 0
        self.due_at: float | None = None
        """Monotonic; None while there is nothing to tell."""

    def note(self, count: int) -> None:
        """So many changes have been journalled."""
        self._untold += count
        if self._untold and self.due_at is None:
            self.due_at = self._clock.monotonic() + WITHIN

    def tell(self, *, at_once: bool) -> None:
        if self.due_at is None:
            return
        if at_once or self._untold >= MOST_TOLD or self._clock.monotonic() >= self.due_at:
            self._untold, self.due_at = 0, None
            self._wake()
