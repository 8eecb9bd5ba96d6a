"""How many uploads at a time, and how many threads, keep a destination busy.

An upload works (it reads, hashes, signs, encrypts) and waits (for the network and for the server). The work of all of
them shares one interpreter's lock: while the others work there is time to wait, so what it takes is one that works and
as many as fit into the waiting. More of them would only keep answers waiting.

One thread does the work of all, unless it is kept from it: a volume that reads slowly blocks the thread that reads.
"""

from __future__ import annotations

from collections import deque

FEWEST = 2
"""Uploads at a time: one works, one waits."""
_WINDOW = 32
"""Uploads that are looked back on."""
_SHARE = 8
"""What counts is the fastest eighth: the others have waited for the lock, too."""


class Pace:
    """Not thread-safe: the pool's lock guards it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waited: deque[float] = deque(maxlen=_WINDOW)
        self._blocked: deque[float] = deque(maxlen=_WINDOW)
        self._worked: deque[float] = deque(maxlen=_WINDOW)
        self.wanted = FEWEST
        """Uploads at a time."""
        self.threads = 1
        """That work at a time."""

    def note(self, *, waited: float, blocked: float, worked: float) -> None:
        """Take where the time of an upload went, in seconds: `blocked` is that of the waiting which held its thread."""
        self._waited.append(waited)
        self._blocked.append(blocked)
        self._worked.append(worked)
        each = max(sum(self._worked) / len(self._worked), 1e-6)
        # twice: most answers take longer than the fastest
        self.wanted = max(FEWEST, min(self._most, 1 + round(2 * _fastest(self._waited) / each)))
        self.threads = min(self._most, 1 + round(_fastest(self._blocked) / each))


def _fastest(times: deque[float]) -> float:
    return sorted(times)[len(times) // _SHARE]
