"""What an object says of its recording: S3's user metadata, within the 2 KB that S3 has for it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from recording_storage.domain.durations import shown
from recording_storage.domain.policy import ObjectMetadata
from recording_storage.s3.headers import header_value
from recording_storage.uploader.core.plans import LOCAL_ACCOUNT
from recording_storage.uploader.spool.sidecar_file import CUSTOM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recording_storage.protocol.plan import DestinationPlan
    from recording_storage.uploader.core.recording import Recording

log = logging.getLogger(__name__)

BUDGET = 2048
"""Bytes of all names and values, as they are sent."""
_SIDS = (
    "call_sid",
    "conference_sid",
    "room_sid",
    "source_sid",
    "participant_sid",
    "type",
    "channels",
    "started_at",
    "duration",
)
"""In the order in which they are given up last."""


def object_metadata(recording: Recording, terms: DestinationPlan | None) -> Mapping[str, str]:
    """By names without `x-amz-meta-`, as the destination's terms want it. What has no room is told once."""
    if terms is None:
        return {}
    kept, left_out = fitting(recording, terms.object_metadata)
    if left_out and not recording.attempts:
        log.warning(
            "%s (%s): S3 has room for %d bytes of metadata; not in the object's: %s",
            recording.path,
            recording.sid,
            BUDGET,
            ", ".join(left_out),
        )
    return kept


def fitting(recording: Recording, wanted: str) -> tuple[dict[str, str], list[str]]:
    """What is `wanted`, an `ObjectMetadata`, as far as it fits; and the names of the rest."""
    if wanted == ObjectMetadata.NONE:
        return {}, []
    kept: dict[str, str] = {"recording-sid": recording.sid}
    left_out: list[str] = []
    if recording.account_sid not in ("", LOCAL_ACCOUNT):
        kept["account-sid"] = recording.account_sid
    if not recording.metadata:  # nothing more to say of most of many small ones
        return kept, left_out
    room = BUDGET - sum(len(name) + len(sid) for name, sid in kept.items())
    for name, text in _values(recording, wanted):
        size = len(name) + len(header_value(text))
        if size > room:
            left_out.append(name)
        else:
            kept[name] = text
            room -= size
    if wanted == ObjectMetadata.ALL and (custom := recording.metadata.get(CUSTOM)):
        text, without = _fitting(custom, room - len(CUSTOM))
        if text:
            kept[CUSTOM] = text
        left_out += [f"{CUSTOM}.{shown(name)}" for name in without]
    return kept, left_out


def _values(recording: Recording, wanted: str) -> Iterator[tuple[str, str]]:
    for name in (*_SIDS, "track_name") if wanted == ObjectMetadata.ALL else _SIDS:
        if (value := recording.metadata.get(name)) is not None:
            yield name.replace("_", "-"), _text(value)


def _text(value: object) -> str:
    """A whole number of seconds without its `.0`."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def _fitting(custom: Mapping[str, Any], room: int) -> tuple[str, list[str]]:
    """As one JSON object in ASCII, of those fields that fit; and the names of the others."""
    parts: list[str] = []
    left_out: list[str] = []
    room -= len("{}")
    for name, value in custom.items():
        part = f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))}"
        if len(part) + len(",") > room:
            left_out.append(name)
        else:
            parts.append(part)
            room -= len(part) + len(",")
    return f"{{{','.join(parts)}}}" if parts else "", left_out
