"""How many uploads at a time keep a destination busy.

An upload works (it reads, hashes, signs, encrypts) and waits (for the network and for the server). The work of all of
them shares one interpreter's lock: while the others work there is time to wait, so what it takes is one that works and
as many as fit into the waiting. More of them would only hand the lock to each other, each time with a context switch.
"""

from __future__ import annotations

from collections import deque

FEWEST = 2
"""One works, one waits."""
_WINDOW = 32
"""Uploads that are looked back on."""
_SHARE = 8
"""The wait that counts is that of the fastest eighth: the others have waited for the lock, too."""


class Pace:
    """Not thread-safe: the lane's lock guards it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waits: deque[float] = deque(maxlen=_WINDOW)
        self._works: deque[float] = deque(maxlen=_WINDOW)
        self.wanted = FEWEST
        """Uploads at a time."""

    def note(self, *, seconds: float, work: float) -> None:
        """An upload took so many seconds, and so many of the processor's in its own thread."""
        self._waits.append(max(seconds - work, 0.0))
        self._works.append(work)
        wait = sorted(self._waits)[len(self._waits) // _SHARE]
        each = max(sum(self._works) / len(self._works), 1e-6)
        # twice: most answers take longer than the fastest
        self.wanted = max(FEWEST, min(self._most, 1 + round(2 * wait / each)))
