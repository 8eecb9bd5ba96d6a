"""Sizes and times as people read them."""

from datetime import datetime

from recording_storage.domain.durations import format_duration

_STEP = 1024


def format_bytes(count: int) -> str:
    """`512 B`, `1.4 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} TiB"


def format_age(now: datetime, since: str) -> str:
    """`since` is an ISO time."""
    return format_duration(max(0.0, round((now - datetime.fromisoformat(since)).total_seconds())))
