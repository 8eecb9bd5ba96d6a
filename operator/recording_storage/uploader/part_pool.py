"""The threads that send parts, and the buffers they send from."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from recording_storage.uploader.outcome import StoppedError
from recording_storage.uploader.resume import PART_SIZE

if TYPE_CHECKING:
    from recording_storage.s3.types import Part

_LOOK_AT_STOP = 0.5
"""Seconds."""


class PartPool:
    """A few threads that send parts, and the buffers they send from; shared by all uploads to a destination."""

    def __init__(self, *, threads: int = 4) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="part")
        self._slots = threading.BoundedSemaphore(threads + 1)  # one is filled while the others are sent
        self._lock = threading.Lock()
        self._free: list[bytearray] = []

    def take(self, size: int, *, stop: threading.Event) -> bytearray:
        """A buffer of at least `size` bytes; waits until one is free. Raises StoppedError once `stop` is set."""
        while not self._slots.acquire(timeout=_LOOK_AT_STOP):
            if stop.is_set():
                raise StoppedError
        with self._lock:
            buffer = self._free.pop() if self._free else bytearray()
        return buffer if len(buffer) >= size else bytearray(size)

    def give_back(self, buffer: bytearray) -> None:
        with self._lock:
            if len(buffer) <= PART_SIZE:
                self._free.append(buffer)
        self._slots.release()

    def submit(self, work: object, *arguments: object) -> Future[Part]:
        return self._executor.submit(work, *arguments)  # type: ignore[arg-type]

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
