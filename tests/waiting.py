"""Where tests wait for something to become so, with a deadline, when there is no event to wait for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.05
"""Seconds between two looks: most of what is awaited is so at once."""
SOON = 60.0
"""Seconds; far more than any step takes on a busy machine, far less than a test's own limit."""
LONG = 180.0
"""Seconds; the same where several slow things come one after the other: what only a comparison of the operator's finds
(one each minute, 20 s late at most), a watch whose pauses have grown. A test that waits so needs a limit of its own."""


def eventually(look: Callable[[], T], *, what: str, within: float = SOON) -> T:
    """The first truthy value of `look`; AssertionError with `what` and the last value when it never comes."""
    deadline, pause = time.monotonic() + within, FIRST_PAUSE
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {within:.0f} s: {what}; last seen: {seen!r}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return seen
