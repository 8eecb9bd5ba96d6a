"""When a recording's retry window is over: the one rule, as a moment and as a bound for statements.

It runs in uploader running time, from the first failure in a row. What passes by itself has it from the destination's
recovery on, should that have been held meanwhile: what it was held for is over.
"""


def window_end(since: float, *, window: float, recovered_at: float | None = None) -> float:
    """When the window of what fails `since` then is over; it is at that very moment."""
    return (since if recovered_at is None else max(since, recovered_at)) + window


def over_if_since(now: float, *, window: float, recovered_at: float | None = None) -> float | None:
    """Of what fails since then or longer, the window is over now; None: nobody's is."""
    bound = now - window
    return None if recovered_at is not None and recovered_at > bound else bound
