"""When the reporter hears of changes: in groups, and soon; at once when nothing else is to be done.

Each telling costs four fsyncs. What is told is released, by calls that take the interpreter's lock from the uploads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.core.ports import Clock

MOST = 1000
"""Changes that are told together, …"""
WITHIN = 1.0
"""… and the seconds after which they are told anyway."""


class Telling:
    """Used by the scheduler's thread."""

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
        """Tell what has gathered, if it is time."""
        if self.due_at is None:
            return
        if at_once or self._untold >= MOST or self._clock.monotonic() >= self.due_at:
            self._untold, self.due_at = 0, None
            self._wake()
