"""What parts are sent with, buffers and threads: one pool for all destinations.

Each destination may always have one buffer, whatever the others hold: one that hangs keeps nobody else from sending.
More than that is shared, and bounded in bytes.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from mmap import mmap
from typing import TYPE_CHECKING

from recording_storage.uploader.transfer.resume import PART_SIZE
from recording_storage.uploader.transfer.task import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.s3.types import Part

SHARED = 12 * PART_SIZE
"""Bytes of all buffers, but for the first one of each destination: that one it has in any case."""
MOST = 5
"""Buffers of one destination: one is filled while the others are sent."""
_LOOK_AT_STOP = 0.5
"""Seconds."""


class PartPool:
    """Thread-safe. A part has a thread of its own while it is sent, so there are none when nothing is."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Guards all of it, the shares, too; notified when there is room."""
        self._lent = 0
        """Bytes."""
        self._kept: list[mmap] = []
        """Of PART_SIZE, to be used again: a fresh one costs 2,048 page faults."""

    @property
    def size(self) -> int:
        """Bytes of all its buffers."""
        with self.changed:
            return self._lent + len(self._kept) * PART_SIZE

    def share(self) -> PartShare:
        """What one more destination has of it."""
        return PartShare(self)

    def trim(self) -> None:
        """Keep no buffer that nobody uses just now."""
        with self.changed:
            self._kept.clear()

    # For shares, which hold the lock.

    def has_room(self, length: int) -> bool:
        return self._lent + length <= SHARED

    def lend(self, length: int) -> mmap | None:
        """Count one, and give it if there is one; None: it is to be made."""
        self._lent += length
        if length == PART_SIZE and self._kept:
            return self._kept.pop()
        while self._kept and self._lent + len(self._kept) * PART_SIZE > SHARED:
            self._kept.pop()
        return None

    def take_back(self, length: int, buffer: mmap | None) -> None:
        self._lent -= length
        if buffer is not None and length == PART_SIZE and self._lent + (len(self._kept) + 1) * PART_SIZE <= SHARED:
            self._kept.append(buffer)
        self.changed.notify_all()


class PartShare:
    """One destination's; all uploads there have it together."""

    def __init__(self, pool: PartPool) -> None:
        self._pool = pool
        self._held = 0

    def take(self, size: int, *, stop: threading.Event) -> mmap:
        """A buffer of at least `size` bytes; waits until there may be one. Raises StoppedError once `stop` is set."""
        length = max(size, PART_SIZE)
        with self._pool.changed:
            while self._held and (self._held >= MOST or not self._pool.has_room(length)):
                if stop.is_set():
                    raise StoppedError
                self._pool.changed.wait(_LOOK_AT_STOP)
            self._held += 1
            buffer = self._pool.lend(length)
        if buffer is not None:
            return buffer
        try:
            return mmap(-1, length)  # of the system's, not of the heap: what is freed is the system's again
        except OSError:
            self._return(length, None)
            raise

    def give_back(self, buffer: mmap) -> None:
        """Nobody may look at it any more."""
        self._return(len(buffer), buffer)

    def submit(self, work: Callable[..., Part], *arguments: object) -> Future[Part]:
        """Have it done in a thread of its own; in this one, if there can be no more of them."""
        future: Future[Part] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(work(*arguments))
            except BaseException as error:  # noqa: BLE001 - it is raised to whoever asks for the result
                future.set_exception(error)

        try:
            threading.Thread(target=run, name="part", daemon=True).start()
        except RuntimeError:
            run()
        return future

    def _return(self, length: int, buffer: mmap | None) -> None:
        with self._pool.changed:
            self._held -= 1
            self._pool.take_back(length, buffer)
