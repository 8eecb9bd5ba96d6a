"""The queue of objects to look at: each key at most once in it, and never at work twice at a time."""

import asyncio
import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """`add` is cheap and may be called for every event; a key that is added while at work comes again afterwards.

    Used from one event loop only.
    """

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._at_work: set[K] = set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Keys that are due, not those that wait for their time."""
        now = asyncio.get_running_loop().time()
        return sum(due <= now for due in self._due.values())

    def add(self, key: K, *, after: float = 0.0) -> None:
        """Have the key looked at `after` seconds from now, or earlier if that was planned already."""
        due = asyncio.get_running_loop().time() + after
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._changed.set()

    def forget(self, key: K) -> None:
        self._due.pop(key, None)

    async def get(self) -> K:
        """The next key that is due and not at work; it is at work until `done`."""
        while True:
            self._changed.clear()
            key, wait = self._next()
            if key is not None:
                return key
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: K) -> None:
        self._at_work.discard(key)
        if key in self._due:
            heapq.heappush(self._heap, (self._due[key], next(self._order), key))
        self._changed.set()

    def _next(self) -> tuple[K | None, float | None]:
        now = asyncio.get_running_loop().time()
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due or key in self._at_work:  # outdated, or `done` pushes it again
                heapq.heappop(self._heap)
                continue
            if due > now:
                return None, due - now
            heapq.heappop(self._heap)
            del self._due[key]
            self._at_work.add(key)
            return key, None
        return None, None
