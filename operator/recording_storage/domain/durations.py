"""Durations as people write them: `90s`, `2h`, `1h30m`, `500ms`."""

import re

DAY = 86400.0
MAX_DURATION = 3650 * DAY
"""Seconds; ten years are longer than anything here lasts."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_SHOWN = 40
_MOST_DIGITS = 10**_SHOWN


def parse_duration(text: str) -> float:
    """Seconds, finite, `MAX_DURATION` at most. Raises ValueError that shows the value and an example."""
    position, seconds = 0, 0.0
    for match in _PART.finditer(text):
        if match.start() != position:
            break
        seconds += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if not text or position != len(text):
        raise ValueError(f"{shown(text)} is no duration; write for example 30s, 5m, 2h or 1h30m")
    if seconds > MAX_DURATION:
        raise ValueError(f"{shown(text)} is too long; {format_duration(MAX_DURATION)} is the longest duration")
    return seconds


def shown(value: object) -> str:
    """A value for a message of one line, cut where it is longer than anybody reads."""
    if isinstance(value, int) and abs(value) > _MOST_DIGITS:
        return "a number of that length"  # Python refuses to write out the longest ones
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def format_duration(seconds: float) -> str:
    """The two largest units that say it: `1h30m`, `45s`, `1.5s`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + "s"
    whole = round(seconds)
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, whole = divmod(whole, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])
