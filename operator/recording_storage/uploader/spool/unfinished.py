"""Files that are there and not taken yet, and telling people of those that may be finished for long."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recording_storage.uploader.core.status import UnprovenFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.core.recording import Identity

log = logging.getLogger(__name__)

RESCAN = 60.0
"""Seconds between walks over the whole spool: what finds every file, whatever the watch has missed."""
UNPROVEN = 600.0
"""Seconds without a change after which people are told of a file that nothing proves to be finished, …"""
TELL_AGAIN = 3600.0
"""… and the seconds after which they are told again."""
_ODD = 1000
"""Things that are left alone and remembered; further ones are like them."""
_NAMED = 20
"""Files that are named at a time."""


@dataclass(slots=True)
class Growing:
    """A file that is not finished yet."""

    identity: Identity
    since: float
    """Monotonic: it has been seen unchanged from then on."""
    due: float | None = None
    """Monotonic: when to look again."""
    why: str = ""
    settling: bool = False
    used_at: float | None = None
    """Monotonic: when a writer last had it open, or it was renamed, as far as was seen."""
    at_start: bool = False
    """It was there when the uploader came, and has not changed since: then its own time tells how long it is quiet."""
    opened: bool = False
    """Somebody has opened it and not closed it yet."""
    unproven: bool = False
    """Only somebody's word can tell whether it is finished."""


class GrowingFiles:
    """Those that there are, by path; and what is never taken as it is. Used by several threads."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, Growing] = {}
        self._odd: dict[str, UnprovenFile] = {}
        self._odd_now: set[str] = set()

    def __len__(self) -> int:
        return len(self._files)

    def get(self, path: str) -> Growing | None:
        return self._files.get(path)

    def keep(self, path: str, growing: Growing) -> None:
        with self._lock:
            self._files[path] = growing

    def drop(self, path: str) -> None:
        with self._lock:
            self._files.pop(path, None)

    def paths(self) -> set[str]:
        with self._lock:
            return set(self._files)

    def due(self, now: float) -> set[str]:
        """Those that are to be looked at again by `now`."""
        with self._lock:
            return {path for path, one in self._files.items() if one.due is not None and one.due <= now}

    def next_due(self) -> float | None:
        """Monotonic time at which time alone may finish a file; None when only an event can."""
        with self._lock:
            return min((one.due for one in self._files.values() if one.due is not None), default=None)

    @property
    def settling(self) -> bool:
        """Whether time alone may finish a file."""
        with self._lock:
            return any(one.settling for one in self._files.values())

    def odd(self, path: str, why: str) -> None:
        """Something that is left alone as it is: among the unproven until a walk misses it."""
        with self._lock:
            self._odd_now.add(path)
            if len(self._odd) >= _ODD or (path in self._odd and self._odd[path].why == why):
                return
            self._odd[path] = UnprovenFile(path, 0, self._clock.now(), why)

    def walked(self) -> None:
        """A whole walk has ended: what it did not tell of is gone, or as it should be."""
        with self._lock:
            self._odd = {path: one for path, one in self._odd.items() if path in self._odd_now}
            self._odd_now = set()

    def left_alone(self) -> list[UnprovenFile]:
        """What is not taken as it is, however long one waits."""
        with self._lock:
            return list(self._odd.values())

    def unproven(self) -> list[UnprovenFile]:
        """What has not changed for a long time and is not taken, and what is left alone; the oldest first."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        found = self.left_alone()
        with self._lock:
            growing = dict(self._files)
        for path, one in growing.items():
            watched = monotonic - one.since
            # a file that has just come may be dated long ago: its marker may be on its way
            if one.unproven and watched >= RESCAN:
                since = min(one.identity.mtime_ns / 1e9, now - watched)
                if now - since >= UNPROVEN:
                    found.append(UnprovenFile(path, one.identity.size, since, one.why))
        return sorted(found, key=lambda one: one.since)

    def unfinished(self) -> list[tuple[str, str]]:
        """What is not taken yet, and why."""
        with self._lock:
            left = [(path, one.why) for path, one in self._files.items()]
            return left + [(one.path, one.why) for one in self._odd.values()]


class UnprovenTeller:
    """Warns of each such file, and of all of them every hour."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._told: set[str] = set()
        self._again_at = clock.monotonic()

    def tell(self, files: Sequence[UnprovenFile]) -> None:
        """Take those that there are now."""
        now = self._clock.monotonic()
        due = now >= self._again_at
        news = [one for one in files if due or one.path not in self._told]
        for one in news[:_NAMED]:
            log.warning("%s is not taken: %s", one.path, one.why)
        if len(news) > _NAMED:
            log.warning("%d more files are not taken", len(news) - _NAMED)
        if due:
            self._again_at = now + TELL_AGAIN
        self._told = {one.path for one in files}
