"""Where tests wait for something to become so, with a deadline, when there is no event to wait for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_EVERY = 0.05
"""Seconds between two looks."""
SOON = 60.0
"""Seconds; far more than any step takes on a busy machine, far less than a test's own limit."""


def eventually(look: Callable[[], T], *, what: str, within: float = SOON) -> T:
    """The first truthy value of `look`; AssertionError with `what` and the last value when it never comes."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {within:.0f} s: {what}; last seen: {seen!r}")
        time.sleep(LOOK_EVERY)
    return seen
