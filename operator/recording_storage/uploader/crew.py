"""The threads that upload to one destination: as many as its pace asks for, each with one upload more on its way.

A thread sends a small file while the answer for the one before is under way; see `s3.interleaving`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from recording_storage.s3.interleaving import Interleaved
from recording_storage.uploader.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.uploader.outcome import Outcome, Task

    _Upload = Interleaved[Outcome]

MAX_CONCURRENCY = 8
"""Recordings that are sent to one destination at a time, at most (see `pace`)."""
BRIEF = 1 << 20
"""Bytes: a larger file is sent alone, so that no answer waits for the sending of another one."""
_IDLE = 5.0
"""Seconds until a thread without work ends."""


class Crew:
    """Thread-safe."""

    def __init__(
        self, *, perform: Callable[[Task], Outcome], done: Callable[[Outcome], None], places: threading.Semaphore
    ) -> None:
        """Take what it works with.

        Args:
            perform: uploads a task, in a thread of the crew; raises nothing.
            done: takes what came of it.
            places: how many uploads there may be at a time over all destinations.
        """
        self._perform = perform
        self._done = done
        self._places = places
        self.limit = float(MAX_CONCURRENCY)
        """Uploads at a time that the destination bears."""
        self._condition = threading.Condition()
        self._queue: deque[Task] = deque()
        self._active = 0
        self._in_parts = 0
        """Of those that are active. Such a one has threads of its own: who goes in one request need not wait for it."""
        self._pace = Pace(MAX_CONCURRENCY)
        self._threads = 0

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def busy(self) -> int:
        """Tasks that are queued or under way."""
        with self._condition:
            return len(self._queue) + self._active

    def put(self, tasks: Sequence[Task]) -> None:
        with self._condition:
            self._queue.extend(tasks)
            self._staff()
            self._condition.notify(len(tasks))

    def drain(self) -> list[Task]:
        """Take back what has not begun."""
        with self._condition:
            left = list(self._queue)
            self._queue.clear()
            return left

    def _run(self) -> None:
        """One thread's life."""
        while (task := self._first()) is not None:
            lap = _Lap()
            sent = self._begin(task, lap)
            while sent is not None:
                following = self._beside()
                begun = self._begin(following, lap) if following is not None else None
                self._finish(sent, lap)
                sent = begun

    def _first(self) -> Task | None:
        """The next task, as soon as there is one; None when there has been none for long."""
        with self._condition:
            while not self._may_begin():
                if not self._condition.wait(_IDLE) and not self._queue:
                    self._threads -= 1
                    return None
            task = self._take()
        self._places.acquire()
        return task

    def _beside(self) -> Task | None:
        """A task to begin while another one's answer is under way, if one is there that takes no time to send."""
        with self._condition:
            if not self._may_begin() or self._queue[0].recording.identity.size > BRIEF:
                return None
            return self._take() if self._places.acquire(blocking=False) else None

    def _may_begin(self) -> bool:
        return bool(self._queue) and self._active < self._at_a_time()

    def _take(self) -> Task:
        task = self._queue.popleft()
        self._active += 1
        self._in_parts += task.is_multipart
        self._staff()
        return task

    def _begin(self, task: Task, lap: _Lap) -> _Upload | None:
        """The upload, with its request on its way; None when it has ended, as a large one has."""
        if task.recording.identity.size > BRIEF:
            self._end(self._perform(task), lap)
            return None
        upload = Interleaved(partial(self._perform, task))
        if not upload.resume():
            return upload
        self._end(upload.result, lap)
        return None

    def _finish(self, upload: _Upload, lap: _Lap) -> None:
        while not upload.resume():
            pass
        self._end(upload.result, lap)

    def _end(self, outcome: Outcome, lap: _Lap) -> None:
        self._places.release()
        seconds, work = lap.time()
        with self._condition:
            self._active -= 1
            self._in_parts -= outcome.task.is_multipart
            if outcome.stored is not None and not outcome.task.is_multipart:
                self._pace.note(seconds=seconds, work=work)
            if self._queue:
                self._staff()
                self._condition.notify()
        self._done(outcome)

    def _at_a_time(self) -> int:
        """Uploads."""
        return min(int(self.limit), self._pace.wanted + self._in_parts)

    def _staff(self) -> None:
        """Start the threads that there is work for. The lock is held."""
        size = max(min(int(self.limit), self._pace.wanted - 1 + self._in_parts), 1)
        while self._threads < min(len(self._queue) + self._active, size):
            self._threads += 1
            threading.Thread(target=self._run, name="upload", daemon=True).start()


class _Lap:
    """A thread's time from one upload's end to the next one's."""

    def __init__(self) -> None:
        self._began, self._worked = time.perf_counter(), time.thread_time()

    def time(self) -> tuple[float, float]:
        """Seconds since the last call, and those of the processor's among them."""
        now, worked = time.perf_counter(), time.thread_time()
        lap = now - self._began, worked - self._worked
        self._began, self._worked = now, worked
        return lap
