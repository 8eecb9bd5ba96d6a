"""The two forms of times in answers."""

from datetime import UTC, datetime
from email.utils import format_datetime


def iso8601(moment: datetime | None) -> str | None:
    """Version 1: `2026-01-31T12:00:00Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else None


def rfc2822(moment: datetime | None) -> str | None:
    """Version 2010: `Sat, 31 Jan 2026 12:00:00 +0000`."""
    return format_datetime(moment.astimezone(UTC)) if moment else None
