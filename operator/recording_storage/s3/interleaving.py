"""Calls that stand still while their request is on its way, so that the same thread sends the next one meanwhile.

That is what a second thread would do; but two of them share one interpreter's lock and hand it to each other at every
call that may wait, each time with a context switch or two. Who calls the client as usual notices nothing of this.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class _Running(greenlet):
    """Tells our calls from a thread's main one, and from those of others."""


class Interleaved(Generic[T]):
    """A call that is begun, and gone on with, by `resume`; all in one thread."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._running = _Running(self._run)
        self._results: list[T] = []

    def resume(self) -> bool:
        """Go on until the call gives way or ends; whether it has ended. Raises what it raises."""
        self._running.switch()
        return self._running.dead

    @property
    def result(self) -> T:
        """What it returned, once it has ended."""
        return self._results[0]

    def _run(self) -> None:
        self._results.append(self._call())


def give_way() -> bool:
    """Return only when the call is resumed; False, and at once, in a call that was not made to be."""
    running = getcurrent()
    if not isinstance(running, _Running):
        return False
    assert running.parent is not None
    running.parent.switch()
    return True
