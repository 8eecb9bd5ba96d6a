"""How long to wait before the next try: one rule for all who wait."""

from collections.abc import Callable

FIRST = 1.0
"""Seconds: the upper end of the first wait."""
MOST = 300.0
"""Seconds: the upper end of every wait from the tenth on."""

Uniform = Callable[[float, float], float]
"""Draws a number between two; `random.uniform`."""


def doubled(failures: int, *, first: float, most: float) -> float:
    """Seconds: `first` after one failure, twice as long after each further one, and never beyond `most`."""
    return min(most, first * 2.0 ** min(max(failures, 1) - 1, 30))


def full_jitter(failures: int, *, uniform: Uniform, first: float = FIRST, most: float = MOST) -> float:
    """Seconds, anywhere from nothing to an end that doubles with each failure.

    The whole range is drawn from, so that ten thousand uploaders that failed in one moment do not come back in one.

    Args:
        failures: in a row so far, from 1.
        uniform: draws the number.
        first: the end of the first range, in seconds.
        most: the end that no range goes beyond, in seconds.
    """
    return uniform(0.0, doubled(failures, first=first, most=most))


def some_jitter(failures: int, *, uniform: Uniform, first: float, most: float) -> float:
    """As `full_jitter`, but never less than a tenth of the range: for whoever would ask a server without end."""
    longest = doubled(failures, first=first, most=most)
    return uniform(longest / 10, longest)
