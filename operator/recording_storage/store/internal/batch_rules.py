"""What a reported recording must be like to be taken; pure."""

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
import sqlalchemy as sa

from recording_storage.domain import custom_fields
from recording_storage.domain.sids import SidPrefix
from recording_storage.domain.states import AT_DESTINATION, Product
from recording_storage.protocol.recordings import RecordingReport
from recording_storage.store.database.models import Recording

MAX_INTEGER = 2**63 - 1
"""What both databases hold."""
PREFIXES = MappingProxyType({Product.VOICE: SidPrefix.VOICE_RECORDING, Product.VIDEO: SidPrefix.VIDEO_RECORDING})
_LENGTHS: Mapping[str, int] = {
    column.name: column.type.length
    for column in Recording.__table__.columns
    if isinstance(column.type, sa.String) and column.type.length is not None
}


def refusal(report: RecordingReport, *, has_media: Collection[tuple[str, str]]) -> str:
    """Why a recording can't be taken; empty: it can.

    Args:
        report: well-formed by the schema.
        has_media: (account, sid) of recordings whose media is complete in the store's own storage.

    """
    if not report.sid.startswith(PREFIXES[report.product]):
        return f"sid: a {report.product} recording's begins with {PREFIXES[report.product]}"
    return _unstorable(report) or _unproven(report, has_media=has_media)


def _unstorable(report: RecordingReport) -> str:
    """What a database would choke on, and with it the whole batch."""
    for name in report.__struct_fields__:
        fault = _fault(getattr(report, name), length=_LENGTHS.get(name))
        if fault:
            return f"{name}: {fault}"
    if (wrong := custom_fields.fault_of(report.custom)) is not None:
        return f"custom: {wrong}"
    nested = ("error", "encryption_details", "objects")
    return next((f"{name}: a NUL in it" for name in nested if _has_nul(msgspec.to_builtins(getattr(report, name)))), "")


def _fault(value: object, *, length: int | None) -> str:
    match value:
        case str() if length is not None and len(value) > length:
            return f"longer than {length} characters"
        case str() if "\x00" in value:
            return "a NUL in it"
        case int() if abs(value) > MAX_INTEGER:
            return "too large a number"
        case float() if not math.isfinite(value):
            return "not a finite number"
        case datetime() if value.tzinfo is None or not _in_calendar(value):
            return "a time without its zone, or outside of the calendar"
        case _:
            return ""


def _in_calendar(value: datetime) -> bool:
    """The first and last hours of the calendar are beyond it in UTC."""
    try:
        value.astimezone(UTC)
    except OverflowError:
        return False
    return True


def _has_nul(value: object) -> bool:
    match value:
        case str():
            return "\x00" in value
        case dict():
            return any(_has_nul(one) for pair in value.items() for one in pair)
        case list():
            return any(_has_nul(one) for one in value)
        case _:
            return False


def _unproven(report: RecordingReport, *, has_media: Collection[tuple[str, str]]) -> str:
    """Nothing counts as stored of which nobody could say where it is: the uploader deletes its file on our word."""
    if report.state not in AT_DESTINATION:
        return ""
    if report.destination_id is not None:
        return "" if report.media_url else f"media_url: a recording that is {report.state} at a destination has one"
    if (report.account_sid, report.sid) not in has_media:
        return f"state: {report.state} in the store's own storage, but its media has not been completed here"
    return ""
