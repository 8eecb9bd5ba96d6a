"""How long a server asks to be left alone."""

import time
from collections.abc import Callable, Mapping

LONGEST = 24 * 3600.0
"""Seconds; a server that asks for more is asked after a day."""
_HEEDED = 300.0


def retry_after_of(headers: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> float | None:
    """Seconds to wait; the header has them as a number, or as a date to be compared with the answer's own.

    Args:
        headers: of the answer, by their names in lower case.
        clock: seconds since the epoch, for an answer without a date of its own.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST)
    until, now = http_date(text), http_date(headers.get("date", ""))
    if until is None:
        return None
    if now is None:
        now = clock()
    return min(max(until - now, 0.0), LONGEST)


def http_date(text: str) -> float | None:
    """Seconds since the epoch; None where it is no date."""
    if not text:
        return None
    try:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and a package of its own to load

        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def heeded(retry_after: float | None) -> float | None:
    """As far as the operator goes along with it: what is late then is seen by people within minutes."""
    return min(retry_after, _HEEDED) if retry_after is not None else None
