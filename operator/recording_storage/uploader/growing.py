"""Files that are there and not taken yet, and telling people of those that may be finished for long."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recording_storage.uploader.ports import UnprovenFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recording_storage.uploader.entry import Identity
    from recording_storage.uploader.ports import Clock

log = logging.getLogger(__name__)

RESCAN = 60.0
"""Seconds between walks over the whole spool: what finds every file, whatever the watch has missed."""
UNPROVEN = 600.0
"""Seconds without a change after which people are told of a file that nothing proves to be finished, …"""
TELL_AGAIN = 3600.0
"""… and the seconds after which they are told again."""
_NAMED = 20
"""Files that are named at a time."""


@dataclass(slots=True)
class Growing:
    """A file that is not finished yet."""

    identity: Identity
    since: float
    """Monotonic: it has been seen unchanged from then on."""
    due: float | None
    """Monotonic: when to look again."""
    why: str = ""
    settling: bool = False
    unproven: bool = False
    """Only somebody's word can tell whether it is finished."""


def unproven_files(growing: Mapping[str, Growing], *, clock: Clock) -> list[UnprovenFile]:
    """Those that have not changed for a long time and are not taken, the oldest first."""
    now, monotonic = clock.now(), clock.monotonic()
    found = []
    for path, one in growing.items():
        watched = monotonic - one.since
        # a file that has just come may be dated long ago: its marker may be on its way
        if one.unproven and watched >= RESCAN:
            since = min(one.identity.mtime_ns / 1e9, now - watched)
            if now - since >= UNPROVEN:
                found.append(UnprovenFile(path, one.identity.size, since, one.why))
    return sorted(found, key=lambda one: one.since)


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
            log.warning("%s has not changed for a long time and is not taken: %s", one.path, one.why)
        if len(news) > _NAMED:
            log.warning("%d more files have not changed for a long time and are not taken", len(news) - _NAMED)
        if due:
            self._again_at = now + TELL_AGAIN
        self._told = {one.path for one in files}
