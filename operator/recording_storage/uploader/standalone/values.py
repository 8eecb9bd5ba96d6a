"""The kinds of values that a configuration has, each checked as it is read."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta

from recording_storage.domain.durations import DAY, format_duration, parse_duration, shown
from recording_storage.domain.object_key import KeyTemplate
from recording_storage.domain.policy import MAX_DENIAL_GRACE, MAX_RETRY_WINDOW
from recording_storage.protocol.base import Secret


class Seconds(float):
    """Written as a duration, or as a bare number."""

    longest: ClassVar[float]
    """Seconds."""


class RetryWindow(Seconds):
    """How long is tried to store a recording; the store has the same bound."""

    longest = MAX_RETRY_WINDOW


class DenialGrace(Seconds):
    """How long a denial must last before it ends anything."""

    longest = MAX_DENIAL_GRACE


class Settle(Seconds):
    """A day at most: longer, and a spool fills with what is finished."""

    longest = DAY


class Moment(float):
    """POSIX time, written as RFC 3339 with its zone."""


class SecretKey(Secret):
    """The secret half of a key pair; never empty."""

    __slots__ = ()


class SessionToken(Secret):
    """Goes into a header; empty: none."""

    __slots__ = ()


class TemplateText(str):
    """A key template that has been looked at."""

    __slots__ = ()


class Tags(dict[str, str]):
    """Tags of an object, such as S3 takes."""


_PRINTABLE = re.compile(r"\A(?:[!-~](?:[ -~]*[!-~])?)?\Z")
HeaderText = Annotated[str, Meta(pattern=_PRINTABLE.pattern)]
"""Goes into a header of a request: printable ASCII, or empty."""
AccessKeyId = Annotated[str, Meta(pattern=_PRINTABLE.pattern, min_length=1)]

NOT_TEXT = "must be a text; put it in quotes"
NOT_PRINTABLE = "must be printable ASCII in one line, without spaces around it"
EMPTY = "must not be empty; write the key pair that you were given"


def read_value(kind: type, value: object) -> object:
    """What is written in the file as one of the kinds.

    Raises:
        ValueError: it can't be; the words get the field in front, and show no secret.
    """
    if issubclass(kind, Seconds):
        return kind(_seconds(value, longest=kind.longest))
    if kind is Moment:
        return Moment(_moment(value))
    if kind is Tags:
        return Tags(_tags(value))
    if not isinstance(value, str):
        raise ValueError(NOT_TEXT)  # noqa: TRY004 - what msgspec takes
    if kind is TemplateText:
        return TemplateText(KeyTemplate.parse(value).text)
    if kind is SessionToken:
        if not _PRINTABLE.search(value):
            raise ValueError(NOT_PRINTABLE)
        return SessionToken(value)
    assert kind is SecretKey
    if not value:
        raise ValueError(EMPTY)
    if not value.isprintable():
        raise ValueError("has a line break or a control character; write it in one line, in quotes")
    return SecretKey(value)


def _seconds(value: object, *, longest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("must be a duration such as 30s, 5m, 2h")  # noqa: TRY004 - what msgspec takes
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except OverflowError:
        seconds = -1.0 if isinstance(value, int) and value < 0 else longest + 1
    if seconds < 0:
        raise ValueError(f"{shown(value)} must not be negative")
    if not seconds <= longest:
        raise ValueError(f"{shown(value)} must be a duration of {format_duration(longest)} at most")
    return seconds


def _moment(value: object) -> float:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{shown(value)} must be a time with its zone, such as 2026-01-31T12:00:00Z")
    return moment.timestamp()


def _tags(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("must be a mapping such as {team: voice}")  # noqa: TRY004 - what msgspec takes
    if len(value) > _MAX_TAGS:
        raise ValueError(f"are {len(value)}; S3 takes {_MAX_TAGS} for an object")
    for name, text in value.items():
        if not isinstance(text, str):
            raise ValueError(f"{shown(name)} {NOT_TEXT}")  # noqa: TRY004 - what msgspec takes
        if not 1 <= len(name) <= 128 or len(text) > 256 or name.lower().startswith("aws:"):  # noqa: PLR2004 - S3's
            raise ValueError(f"{shown(name)}: a name has 1 to 128 characters and not aws: before it, a value up to 256")
        if not _TAG.fullmatch(name) or not _TAG.fullmatch(text):
            raise ValueError(f"{shown(name)}: use letters, digits, spaces and . : / = + - _ @ in name and value")
    return value


_TAG = re.compile(r"[\w .:/=+@-]*")
_MAX_TAGS = 10
