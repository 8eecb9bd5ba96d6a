"""Calls that share a thread: where one would wait for its connection, the thread goes on with another.

That is what more threads would do; but they share one interpreter's lock and hand it to each other at every call that
may wait, each time with a context switch or two. Who calls the client as usual notices nothing of this.
"""

import select
import time
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from greenlet import enable_optional_cleanup, getcurrent, greenlet  # type: ignore[attr-defined]  # not in its stubs

T = TypeVar("T")

# When a thread ends, greenlet frees its main one if a look through the collector finds nobody who has it. While another
# collection is under way that look misses those who are garbage themselves, and that collection then crashes.
enable_optional_cleanup(False)


class Wait(NamedTuple):
    """What a call waits for."""

    fd: int
    event: int
    """`select.POLLIN` or `select.POLLOUT`."""
    until: float
    """Monotonic."""


class _Running(greenlet):
    """Tells our calls from a thread's main one, and from those of others."""


def _make_calls() -> None:
    """Make one call after the other; each ends with a switch back that brings None. What raises ends the greenlet, too.

    A greenlet for each call would cost it a stack: memory of the system's, and given back to it. Nothing of a call is
    kept while the next is waited for, nor is the greenlet by itself: it goes with who has it.
    """
    parent = getcurrent().parent
    assert parent is not None
    while True:
        call: Callable[[], None] = parent.switch(None)
        call()
        del call


def is_ready(fd: int, event: int, *, seconds: float) -> bool:
    """Wait for a descriptor, at most so long; whether it is ready. An interleaved call gives way meanwhile."""
    if seconds <= 0:
        return False
    running = getcurrent()
    if isinstance(running, _Running):
        assert running.parent is not None
        return bool(running.parent.switch(Wait(fd, event, time.monotonic() + seconds)))
    poll = select.poll()
    poll.register(fd, event)
    return bool(poll.poll(seconds * 1000))


class Stacks:
    """Of one thread: what its calls run on, used again once they have ended."""

    def __init__(self) -> None:
        self._free: list[_Running] = []

    def take(self) -> _Running:
        if self._free:
            return self._free.pop()
        running = _Running(_make_calls)
        running.switch()  # up to where it waits for its first call
        return running

    def give_back(self, running: _Running) -> None:
        self._free.append(running)


class Interleaved(Generic[T]):
    """A call that is begun, and gone on with, by `resume`; in the thread whose `stacks` these are."""

    def __init__(self, call: Callable[[], T], *, stacks: Stacks) -> None:
        self._call = call
        self._stacks = stacks
        self._running: _Running | None = None
        self._results: list[T] = []

    def resume(self, *, ready: bool = True) -> Wait | None:
        """Go on: what it waits for next, None when it has ended. Raises what it raises.

        Args:
            ready: whether what it waited for has come; else its time is up.
        """
        wait: Wait | None
        if self._running is None:
            self._running = self._stacks.take()
            wait = self._running.switch(self._run)
        else:
            wait = self._running.switch(ready)
        if wait is None:
            self._stacks.give_back(self._running)
        return wait

    @property
    def result(self) -> T:
        """What it returned, once it has ended."""
        return self._results[0]

    def _run(self) -> None:
        self._results.append(self._call())


class Waiting(Generic[T]):
    """What a thread has under way, each with what it waits for."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._by_fd: dict[int, tuple[T, Wait]] = {}

    def __len__(self) -> int:
        return len(self._by_fd)

    def add(self, one: T, wait: Wait) -> None:
        self._poll.register(wait.fd, wait.event)
        self._by_fd[wait.fd] = one, wait

    def take(self) -> Iterator[tuple[T, bool]]:
        """Wait until some can go on: each is taken out, with whether it is ready; else its time is up."""
        soonest = min(wait.until for _, wait in self._by_fd.values())
        ready = {fd for fd, _ in self._poll.poll(max(soonest - time.monotonic(), 0.0) * 1000)}
        now = time.monotonic()
        for fd in [fd for fd, (_, wait) in self._by_fd.items() if fd in ready or wait.until <= now]:
            self._poll.unregister(fd)
            one, _ = self._by_fd.pop(fd)
            yield one, fd in ready
