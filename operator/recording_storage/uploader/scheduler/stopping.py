"""The scheduler's end: nothing new begins, and what is under way has a grace period."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recording_storage.uploader.core.ports import Clock

log = logging.getLogger(__name__)

LAST_MOMENT = 3.0
"""Seconds that uploads have to end themselves when the grace period is over."""


class Stopping:
    """Used by the scheduler's thread; `no_time_left` is looked at by all."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self.begun = False
        self.no_time_left = threading.Event()
        """Uploads end themselves now, and go on after the next start."""
        self.give_up_at: float | None = None
        """Monotonic: when the present grace is over."""

    def begin(self, grace: float) -> bool:
        """Stop within `grace` seconds; False: that has begun already."""
        if self.begun:
            return False
        self.begun = True
        self.give_up_at = self._clock.monotonic() + grace
        return True

    def is_over(self, *, busy: bool) -> bool:
        """Whether the scheduler may end; asked once that has begun."""
        if not busy:
            return True
        assert self.give_up_at is not None
        now = self._clock.monotonic()
        if now >= self.give_up_at:
            if self.no_time_left.is_set():
                log.warning("some uploads did not end in time; the next start goes on with them")
                return True
            self.no_time_left.set()
            self.give_up_at = now + LAST_MOMENT
        return False
