"""What a recorder says of a recording: `NAME.EXT.recording.json`, validated."""

from __future__ import annotations

import json
import math
import mimetypes
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from recording_storage.domain import custom_fields
from recording_storage.domain.durations import shown
from recording_storage.domain.sids import SidPrefix, is_sid
from recording_storage.domain.states import Product

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SUFFIX = ".recording.json"
MAX_BYTES = 256 * 1024
MAX_TEXT = 1024
"""Characters of one value."""
_NAMED = 5
"""Fields that a message names."""


class MetadataError(ValueError):
    """The metadata can't be used; the message names file, field, value and remedy."""


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"must be a text of at most {MAX_TEXT} printable characters on one line")
    return value


def _sid(*prefixes: SidPrefix) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or not any(is_sid(value, prefix) for prefix in prefixes):
            wanted = " or ".join(prefix.value for prefix in prefixes)
            raise ValueError(f"must be {wanted} and 32 lower-case hexadecimal digits")
        return value

    return check


def _type(value: object) -> str:
    if value not in ("audio", "video"):
        raise ValueError("must be audio or video")
    return str(value)


def _channels(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1024:  # noqa: PLR2004
        raise ValueError("must be a whole number from 1")
    return value


def _duration(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("must be seconds, 0 or more")
    return seconds


def _moment(value: object) -> str:
    """As RFC 3339 in UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError:
        raise ValueError("must be a time between the years 1 and 9999") from None


def _callback(value: object) -> str:
    text = _text(value)
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be an http or https URL")
    return text


def _method(value: object) -> str:
    if value not in ("GET", "POST"):
        raise ValueError("must be GET or POST")
    return str(value)


_FIELDS: Mapping[str, Callable[[object], Any]] = {
    "recording_sid": _sid(SidPrefix.VOICE_RECORDING, SidPrefix.VIDEO_RECORDING),
    "account_sid": _sid(SidPrefix.ACCOUNT),
    "type": _type,
    "call_sid": _text,
    "conference_sid": _text,
    "room_sid": _text,
    "source_sid": _text,
    "participant_sid": _text,
    "track_name": _text,
    "channels": _channels,
    "started_at": _moment,
    "duration": _duration,
    "status_callback": _callback,
    "status_callback_method": _method,
}
"""Every field is optional; one that isn't here is the recorder's own and kept under `CUSTOM`."""
CUSTOM = "custom"
"""Among a recording's metadata: the fields that aren't in `_FIELDS`, as the recorder wrote them."""


@dataclass(frozen=True, slots=True)
class Metadata:
    fields: Mapping[str, Any]
    left_out: Sequence[str] = ()
    """Names of the recorder's own fields that are not kept (see `custom_fields`)."""

    @property
    def product(self) -> Product:
        """A room, or the type video, makes it a video recording; else it is voice."""
        if self.fields.get("room_sid") or self.fields.get("type") == "video":
            return Product.VIDEO
        return Product.VOICE

    @property
    def sid_prefix(self) -> SidPrefix:
        return SidPrefix.VIDEO_RECORDING if self.product is Product.VIDEO else SidPrefix.VOICE_RECORDING

    def what_is_left_out(self) -> str:
        """For a person."""
        more = ", …" if len(self.left_out) > _NAMED else ""
        return (
            f"not kept: {', '.join(shown(name) for name in self.left_out[:_NAMED])}{more}; fields that are not known"
            f" here may have {custom_fields.MAX_BYTES} bytes in all, {custom_fields.MAX_DEPTH} levels, and plain values"
        )


NOTHING_SAID = Metadata({})


def parse(content: bytes, *, name: str) -> Metadata:
    """Read the file's content.

    Raises:
        MetadataError: it is no JSON object, or a field is wrong.
    """
    if len(content) > MAX_BYTES:
        raise MetadataError(f"{name}: more than {MAX_BYTES} bytes; keep to the fields of a recording")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{name}: no JSON ({error}); mend or remove it") from None
    if not isinstance(document, dict):
        raise MetadataError(f"{name}: must be a JSON object, such as {{}}")
    fields = {}
    for field, check in _FIELDS.items():
        value = document.get(field)
        if value is None or value == "":
            continue
        try:
            fields[field] = check(value)
        except ValueError as error:
            raise MetadataError(f"{name}: {field} {str(value)[:80]!r} {error}") from None
    custom, left_out = custom_fields.fitting({key: value for key, value in document.items() if key not in _FIELDS})
    if custom:
        fields[CUSTOM] = custom
    metadata = Metadata(fields, left_out)
    sid = fields.get("recording_sid", "")
    if sid and not sid.startswith(metadata.sid_prefix.value):
        raise MetadataError(
            f"{name}: recording_sid {sid!r} must begin with {metadata.sid_prefix.value},"
            f" because this is a {metadata.product.value} recording"
        )
    return metadata


_TYPES = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mka": "audio/x-matroska",
    ".mkv": "video/x-matroska",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}


def content_type(extension: str) -> str:
    """For a file's extension, with its dot, in any case."""
    lower = extension.lower()
    return _TYPES.get(lower) or mimetypes.types_map.get(lower) or "application/octet-stream"
