"""How far large files are; told now and then."""

from __future__ import annotations

import logging
import threading
import time

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two lines for one recording."""


class Progress:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}
        self._under_way: dict[str, tuple[int, int]] = {}

    def note(self, sid: str, done: int, size: int) -> None:
        """`done` of `size` bytes of a recording are there; all of them: it is not under way any more."""
        now = time.monotonic()
        with self._lock:
            if done >= size:
                self._told.pop(sid, None)
                self._under_way.pop(sid, None)
                return
            self._under_way[sid] = (done, size)
            at, before = self._told.setdefault(sid, (now, done))
            if now - at < EVERY:
                return
            self._told[sid] = (now, done)
        rate = (done - before) / (now - at) / (1 << 20)
        log.info("%s: %d of %d MiB (%d %%), %.1f MiB/s", sid, done >> 20, size >> 20, done * 100 // size, rate)

    def under_way(self) -> dict[str, tuple[int, int]]:
        """Bytes done and all bytes, by sid."""
        with self._lock:
            return dict(self._under_way)
