"""Which files this machine's processes have open for writing, as far as we may see it: in /proc.

Where it tells of a writer, there is one. Where it doesn't, that proves nothing: of another user's processes, and of
other containers', nothing can be seen.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from typing import TYPE_CHECKING

from recording_storage.uploader.spool.walk import identity_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recording_storage.uploader.core.ports import Clock

_KEPT = 1.0
"""Seconds for which one look serves at most: an open that comes later is told of by the watch."""
_SHARE = 10
"""It serves for so many times what it took: seeing thousands of processes costs no more than this part of a core."""
_MOST = 50_000
"""Descriptors in one look."""


class OpenFiles:
    """Thread-safe."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept_until = float("-inf")
        self._written: frozenset[tuple[int, int]] = frozenset()

    def is_written(self, device: int, inode: int) -> bool:
        """Whether somebody is seen to have it open for writing."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._kept_until:
                self._written = frozenset(_written())
                self._kept_until = now + min(_SHARE * (self._clock.monotonic() - now), _KEPT)
            return (device, inode) in self._written

    def look_again(self) -> None:
        """The watch has lost events: what was opened since the last look may never be told of."""
        with self._lock:
            self._kept_until = float("-inf")


def name_of(fd: int, *, root: str) -> str | None:
    """The name beneath a root, without links, that an open file has now; None: that can't be told, or it has none."""
    try:
        full = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - as the rest here
    except OSError:
        return None
    return full.removeprefix(f"{root}/") if full.startswith(f"{root}/") else None


def own_opens(full: str) -> int:
    """How many of our own descriptors are of this file: an upload has it open, too."""
    try:
        wanted = os.lstat(full)
    except OSError:
        return 0
    count = 0
    for number in _names("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            count += os.path.samestat(os.fstat(int(number)), wanted)
    return count


def _written() -> Iterator[tuple[int, int]]:
    looked = 0
    for process in _names("/proc"):
        if not process.isdecimal():
            continue
        for number in _names(f"/proc/{process}/fd"):
            looked += 1
            if looked > _MOST:
                return
            link = f"/proc/{process}/fd/{number}"
            try:
                if not os.lstat(link).st_mode & stat.S_IWUSR:  # the link's own mode tells how it was opened
                    continue
                status = os.stat(link)  # noqa: PTH116 - as the rest here
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield status.st_dev, identity_of(status).inode


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []
