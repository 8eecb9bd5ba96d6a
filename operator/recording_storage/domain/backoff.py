"""How long to wait before the next try."""

from collections.abc import Callable

FIRST = 1.0
"""Seconds: the upper end of the first wait."""
MOST = 300.0
"""Seconds: the upper end of every wait from the tenth on."""


def full_jitter(
    failures: int, *, uniform: Callable[[float, float], float], first: float = FIRST, most: float = MOST
) -> float:
    """Seconds, anywhere from nothing to an end that doubles with each failure.

    The whole range is drawn from, so that ten thousand uploaders that failed in one moment do not come back in one.

    Args:
        failures: in a row so far, from 1.
        uniform: draws a number between two; `random.uniform`.
        first: the end of the first range, in seconds.
        most: the end that no range goes beyond, in seconds.
    """
    return uniform(0.0, min(most, first * 2.0 ** min(max(failures, 1) - 1, 30)))
