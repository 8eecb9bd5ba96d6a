"""Wakes long-polls when something they wait for has changed.

Topics are account sids (settings, credentials, commands), namespace UIDs (bindings) and spool ids (assignments). In
this process a change is announced at once after its commit. Another replica's change is only seen in the database: with
a `probe`, a waiting long-poll asks it every half second.
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

PROBE_SECONDS = 0.5
"""A change has to arrive in under a second, whichever replica it was made at."""

Probe = Callable[[Collection[str]], Mapping[str, str]]
"""Topics → what the database says of each; differs after a change."""


@dataclass(frozen=True)
class Known:
    """The state of some topics before they were read; take it first, then read, then wait."""

    counts: Mapping[str, int]
    probed: Mapping[str, str] | None


class Changes:
    """A hub for one process. `announce` may come from any thread, `wait` belongs to event loops."""

    def __init__(self, *, probe: Probe | None = None) -> None:
        self._probe = probe
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._waiting: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}

    def announce(self, *topics: str) -> None:
        """Wake whoever waits for one of the topics; call it after the commit, never before."""
        with self._lock:
            woken = set()
            for topic in topics:
                self._counts[topic] = self._counts.get(topic, 0) + 1
                woken |= self._waiting.get(topic, set())
        for loop, event in woken:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # its loop has ended, and with it the one who waited
                continue

    def known(self, topics: Collection[str]) -> Known:
        """Note where the topics stand; blocking, so call it in the thread that reads the database, before reading."""
        with self._lock:
            counts = {topic: self._counts.get(topic, 0) for topic in topics}
        return Known(counts=counts, probed=self._probe(topics) if self._probe else None)

    async def wait(self, known: Known, *, timeout: float) -> bool:  # noqa: ASYNC109 - a long-poll's end is no error
        """Wait until a topic differs from `known`, or `timeout` seconds have passed; True when one differs."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            if self._differs(known):
                return True
            for topic in known.counts:
                self._waiting.setdefault(topic, set()).add(entry)
        try:
            return await self._woken(event, known, timeout)
        finally:
            with self._lock:
                for topic in known.counts:
                    self._waiting[topic].discard(entry)
                    if not self._waiting[topic]:
                        del self._waiting[topic]

    async def _woken(self, event: asyncio.Event, known: Known, seconds: float) -> bool:
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            step = min(left, PROBE_SECONDS) if self._probe else left
            try:
                await asyncio.wait_for(event.wait(), step)
            except TimeoutError:
                if self._probe and await run_in_threadpool(self._probe, list(known.counts)) != known.probed:
                    return True
            else:
                return True
        return False

    def _differs(self, known: Known) -> bool:
        return any(self._counts.get(topic, 0) != count for topic, count in known.counts.items())
