"""The threads that upload to one destination.

A thread has several uploads under way and goes on with whichever can (see `s3.greenlets`): one thread is enough
until uploads wait for something else than their connections, such as a slow volume.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from recording_storage.s3 import buffers
from recording_storage.s3.greenlets import Interleaved, Stacks, Wait, Waiting
from recording_storage.uploader.transfer.concurrency import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.uploader.transfer.task import Outcome, Task
    from recording_storage.uploader.transfer.upload_slots import UploadSlots

log = logging.getLogger(__name__)

MAX_CONCURRENCY = 8
"""Recordings that are sent to one destination at a time, at most (see `concurrency`)."""
BRIEF = 1 << 20
"""Bytes: to read, hash and send more leaves the interpreter's lock for long, so that a second thread is worth it."""
_IDLE = 5.0
"""Seconds until a thread without work ends."""


class WorkerPool:
    """Thread-safe."""

    def __init__(
        self,
        *,
        perform: Callable[[Task], Outcome],
        done: Callable[[Outcome], None],
        slots: UploadSlots,
        interleaved: bool = True,
    ) -> None:
        """`perform` uploads a task, in a thread of the pool, and raises nothing; `done` takes what came of it.

        `interleaved`: brief uploads give way where they wait.
        """
        self._perform = perform
        self._done = done
        self._slots = slots
        self._interleaved = interleaved
        self.limit = float(MAX_CONCURRENCY)
        """Uploads at a time that the destination bears."""
        self._lock = threading.RLock()
        self._to_do = threading.Condition(self._lock)
        """Somebody may take from the queue. The lock is taken by itself: through this it costs several times that."""
        self._queue: deque[Task] = deque()
        self._active = 0
        self._in_parts = 0
        """Of those that are active. Who goes in one request need not wait for such a one."""
        self._pace = Pace(MAX_CONCURRENCY)
        self._threads = 0
        self._told = False
        """That there could be no more of them."""
        self._idle = 0
        """Threads without work."""
        self._away = 0
        """Threads that wait for connections, or for an upload that does not give way."""

    @property
    def queued(self) -> int:
        return len(self._queue)

    def put(self, tasks: Sequence[Task]) -> None:
        with self._lock:
            self._queue.extend(tasks)
            self._staff()

    def drain(self) -> list[Task]:
        with self._lock:
            left = list(self._queue)
            self._queue.clear()
            return left

    def _run(self) -> None:
        """One thread's life."""
        waiting: Waiting[_Upload] = Waiting()
        stacks = Stacks()
        while True:
            task = self._beside() if waiting else self._first()
            if task is not None:
                self._begin(task, waiting, stacks)
            elif waiting:
                self._go_away()
                try:
                    ready = list(waiting.take())
                finally:
                    self._come_back()
                for upload, is_ready in ready:
                    self._go_on(upload, waiting, ready=is_ready)
            else:
                return

    def _first(self) -> Task | None:
        """A task for a thread that has none, as soon as there is one; None when there has been none for long."""
        with self._lock:
            while not self._may_take():
                self._idle += 1
                woken = self._to_do.wait(_IDLE)
                self._idle -= 1
                if not woken and not self._queue:
                    self._threads -= 1
                    if not self._threads:
                        buffers.drop()
                    return None
            task = self._take()
        self._slots.take(task.recording.sid)
        return task

    def _beside(self) -> Task | None:
        """A task beside those that wait, if there is one now that keeps none of them waiting.

        Its place must not be waited for: they hold some.
        """
        with self._lock:
            if not self._may_take() or not self._gives_way(self._queue[0]):
                return None
            if not self._slots.take_now(self._queue[0].recording.sid):
                return None
            return self._take()

    def _gives_way(self, task: Task) -> bool:
        return self._interleaved and task.recording.identity.size <= BRIEF

    def _may_take(self) -> bool:
        """Whether the thread that asks may."""
        return self._is_due() and self._at_work() <= self._pace.threads

    def _is_due(self) -> bool:
        return bool(self._queue) and self._active < min(int(self.limit), self._pace.wanted + self._in_parts)

    def _at_work(self) -> int:
        """Threads."""
        return self._threads - self._idle - self._away

    def _take(self) -> Task:
        task = self._queue.popleft()
        self._active += 1
        self._in_parts += task.is_multipart
        self._staff()
        return task

    def _staff(self) -> None:
        """Have another thread look at the queue, if it may take from it. The lock is held."""
        if not self._is_due() or self._at_work() >= self._pace.threads:
            return
        if self._idle:
            self._to_do.notify()
            return
        try:
            threading.Thread(target=self._run, name="upload", daemon=True).start()
        except RuntimeError as error:
            if not self._threads:
                raise
            if not self._told:
                log.warning("uploads go on with %d threads: %s", self._threads, error)
            self._told = True
            return
        self._threads += 1

    def _go_away(self) -> None:
        """Others may work while this thread waits."""
        with self._lock:
            self._away += 1
            self._staff()

    def _come_back(self) -> None:
        with self._lock:
            self._away -= 1

    def _begin(self, task: Task, waiting: Waiting[_Upload], stacks: Stacks) -> None:
        upload = _Upload(partial(self._perform, task), in_parts=task.is_multipart, stacks=stacks)
        if self._gives_way(task):
            self._go_on(upload, waiting)
            return
        self._go_away()
        try:
            outcome = upload.run()
        finally:
            self._come_back()
        self._end(upload, outcome)

    def _go_on(self, upload: _Upload, waiting: Waiting[_Upload], *, ready: bool = True) -> None:
        wait = upload.go_on(ready=ready)
        if wait is None:
            self._end(upload, upload.outcome)
        else:
            waiting.add(upload, wait)

    def _end(self, upload: _Upload, outcome: Outcome) -> None:
        self._slots.give_back(outcome.task.recording.sid)
        with self._lock:
            self._active -= 1
            self._in_parts -= upload.in_parts
            if outcome.stored is not None and not outcome.task.is_multipart:
                self._pace.note(waited=upload.waited(), blocked=upload.blocked, worked=upload.worked)
        self._done(outcome)


class _Upload:
    """One upload in a thread, and where its time goes, in seconds."""

    def __init__(self, perform: Callable[[], Outcome], *, in_parts: bool, stacks: Stacks) -> None:
        self._perform = perform
        self.in_parts = in_parts
        """As it was when it began."""
        self._call = Interleaved(perform, stacks=stacks)
        self._began, self._thread_began = time.perf_counter(), time.thread_time()
        self.worked = 0.0
        """Of the processor's."""
        self.blocked = 0.0
        """In which its thread could do nothing else."""

    def go_on(self, *, ready: bool) -> Wait | None:
        """What it waits for next; None: it has ended."""
        began, thread_began = time.perf_counter(), time.thread_time()
        wait = self._call.resume(ready=ready)
        worked = time.thread_time() - thread_began
        self.worked += worked
        self.blocked += max(time.perf_counter() - began - worked, 0.0)
        return wait

    def run(self) -> Outcome:
        """To its end, without giving way."""
        outcome = self._perform()
        self.worked = time.thread_time() - self._thread_began
        return outcome

    @property
    def outcome(self) -> Outcome:
        return self._call.result

    def waited(self) -> float:
        """From its beginning until now, but for what the thread has worked, for others, too."""
        return max(time.perf_counter() - self._began - (time.thread_time() - self._thread_began), 0.0)
