"""The object's key: the destination's prefix and a template with the recording's own fields."""

import re
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

DEFAULT_TEMPLATE = "{recording_sid}{ext}"
MAX_KEY_BYTES = 1024
"""S3's limit, in UTF-8 bytes."""

FIELDS = frozenset(
    {
        "account_sid",
        "recording_sid",
        "call_sid",
        "conference_sid",
        "room_sid",
        "participant_sid",
        "source_sid",
        "track_name",
        "source_name",  # the file's name without its extension
        "ext",  # with its dot
        "product",
        "year",
        "month",
        "day",
        "hour",
    }
)
_UNSAFE = re.compile(r"[^A-Za-z0-9!_.*'()-]+")
"""What S3's documentation does not list as safe in a key."""


class KeyTemplateError(ValueError):
    """The template is refused; the message names the field and the remedy."""


class KeyFields(NamedTuple):
    recording_sid: str
    account_sid: str
    product: str
    ext: str
    """With its dot, or empty."""
    source_name: str
    started_at: datetime
    call_sid: str = ""
    conference_sid: str = ""
    room_sid: str = ""
    participant_sid: str = ""
    source_sid: str = ""
    track_name: str = ""


@dataclass(frozen=True)
class KeyTemplate:
    text: str = DEFAULT_TEMPLATE

    @classmethod
    def parse(cls, text: str) -> "KeyTemplate":
        """Raises KeyTemplateError unless each field is known and the recording's sid makes keys unique."""
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise KeyTemplateError(f"key template {text!r}: {error}") from None
        names = {name for _, name, _, _ in parts if name is not None}
        unknown = sorted(names - FIELDS)
        if unknown:
            raise KeyTemplateError(
                f"key template {text!r}: unknown field {{{unknown[0]}}}; use one of {', '.join(sorted(FIELDS))}"
            )
        if any(spec or conversion for _, _, spec, conversion in parts):
            raise KeyTemplateError(
                f"key template {text!r}: a field takes no format, write for example {{recording_sid}}"
            )
        if "recording_sid" not in names:
            raise KeyTemplateError(
                f"key template {text!r}: {{recording_sid}} is missing; without it two recordings could share one key"
            )
        if text.startswith("/") or ".." in text.split("/") or any(ord(character) < ord(" ") for character in text):
            raise KeyTemplateError(f"key template {text!r}: no leading '/', no '..' and no control characters")
        return cls(text)

    def render(self, fields: KeyFields, *, prefix: str) -> str:
        """The key in the bucket. Raises KeyTemplateError when it is longer than S3 takes."""
        key = prefix + self.text.format_map(_Values(fields))
        if len(key.encode()) > MAX_KEY_BYTES:
            raise KeyTemplateError(
                f"the key {key[:60]!r}… has more than {MAX_KEY_BYTES} bytes; shorten the key template"
            )
        return key


_DATE_PARTS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H"}


class _Values(dict[str, str]):
    """What a template's fields stand for; only those that it names are worked out, since it runs for each recording."""

    def __init__(self, fields: KeyFields) -> None:
        super().__init__()
        self._fields = fields

    def __missing__(self, name: str) -> str:
        if name in _DATE_PARTS:
            return self._fields.started_at.astimezone(UTC).strftime(_DATE_PARTS[name])
        if name == "ext":
            ext = self._fields.ext
            return ext and f".{_safe(ext.removeprefix('.'))}"
        return _safe(getattr(self._fields, name))


def _safe(value: str) -> str:
    """One path segment at most: a recorder's metadata can't leave the folder that the template names."""
    cleaned = _UNSAFE.sub("_", value)
    return "_" if cleaned in {".", ".."} else cleaned
