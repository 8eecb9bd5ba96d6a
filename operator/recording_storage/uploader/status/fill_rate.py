"""When the spool's volume will be full, judged from how its free space shrank lately."""

import threading
from collections import deque

WINDOW = 600.0
"""Seconds that are looked back on."""
LEAST = 300.0
"""Seconds below which nothing is said: one call that begins, or one upload that ends, would look like a trend."""


class FillingRate:
    """Fed with readings of the free space; from any thread."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def note(self, *, at: float, free_bytes: int) -> None:
        """`at` in seconds of a clock that only grows."""
        with self._lock:
            self._readings.append((at, free_bytes))
            while self._readings[0][0] < at - WINDOW:
                self._readings.popleft()

    def rate(self) -> float | None:
        """Bytes a second; None: it doesn't shrink, or not known yet."""
        with self._lock:
            if not self._readings:
                return None
            (first, before), (last, now) = self._readings[0], self._readings[-1]
        if last - first < LEAST or now >= before:
            return None
        return (before - now) / (last - first)
