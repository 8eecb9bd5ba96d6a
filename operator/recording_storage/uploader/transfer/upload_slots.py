"""How many uploads there may be at a time over all destinations, and that none of them keeps the others out.

Who asks first gets a slot first. A slot in which nothing has moved for a while is lent to whoever waits: an upload
that hangs goes on hanging, and takes nothing from the others.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recording_storage.uploader.core.ports import Clock

PATIENCE = 5.0
"""Seconds without a part or an upload that ends, after which a slot is lent."""


class UploadSlots:
    """Thread-safe; slots are known by the sids of the recordings that have them."""

    def __init__(self, count: int, *, most_lent: int, clock: Clock) -> None:
        """Take how many there are, and how many of these may be lent besides: together they bound what is under way."""
        self._clock = clock
        self._free = count
        self._most_lent = most_lent
        self._lock = threading.Lock()
        self._held: dict[str, float] = {}
        """Monotonic time of the last move, the longest ago first."""
        self._lent: set[str] = set()
        """Those whose slot somebody else has."""
        self._queue: deque[tuple[str, threading.Event]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._queue)

    def take_now(self, sid: str) -> bool:
        """Take one if there is one now and nobody waits."""
        with self._lock:
            return not self._queue and self._grant(sid)

    def take(self, sid: str) -> None:
        """Take one; waits for it."""
        with self._lock:
            if not self._queue and self._grant(sid):
                return
            granted = threading.Event()
            self._queue.append((sid, granted))
        while not granted.is_set():
            self._clock.wait(granted, self._patience())
            with self._lock:
                self._serve()

    def give_back(self, sid: str) -> None:
        with self._lock:
            if sid in self._lent:
                self._lent.remove(sid)
            else:
                del self._held[sid]
                self._free += 1
            self._serve()

    def moved(self, sid: str) -> None:
        """Something of it has arrived; its slot is its own again, where another is free."""
        with self._lock:
            if self._held.pop(sid, None) is not None:
                self._held[sid] = self._clock.monotonic()
            elif sid in self._lent and self._free and not self._queue:
                self._lent.remove(sid)
                self._grant(sid)

    def _grant(self, sid: str) -> bool:
        """Whether there was one. The lock is held."""
        now = self._clock.monotonic()
        if self._free:
            self._free -= 1
        else:
            stuck = next(iter(self._held), None)
            if stuck is None or len(self._lent) >= self._most_lent or now - self._held[stuck] < PATIENCE:
                return False
            del self._held[stuck]
            self._lent.add(stuck)
        self._held[sid] = now
        return True

    def _serve(self) -> None:
        """Those that wait, in their order. The lock is held."""
        while self._queue and self._grant(self._queue[0][0]):
            self._queue.popleft()[1].set()

    def _patience(self) -> float | None:
        """Seconds until one can be lent; None: not before somebody gives one back."""
        with self._lock:
            if len(self._lent) >= self._most_lent or not self._held:
                return None
            return max(next(iter(self._held.values())) + PATIENCE - self._clock.monotonic(), 0.0)
