"""What all messages share."""

import re
from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta

PROTOCOL_VERSION = "1.0"

Sid = Annotated[str, Meta(pattern=r"^[A-Z]{2}[0-9a-f]{32}$", max_length=34)]
Uuid = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", max_length=36)]


class MalformedError(ValueError):
    """No such message; says where and what is wrong in our own schema's words, and repeats nothing that was sent."""


class Secret:
    """A text that is shown as stars, unless somebody asks for it."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def get_secret_value(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "**********"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable; unknown fields of a newer peer are ignored. Checked when it is read, not when it is made."""

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Read one that has arrived. Raises MalformedError."""
        try:
            return msgspec.json.decode(text, type=cls, dec_hook=_secret)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(error) from None

    @classmethod
    def from_values(cls, values: object) -> Self:
        """Read one from mappings, lists and plain values. Raises MalformedError."""
        try:
            return msgspec.convert(values, cls, dec_hook=_secret)
        except (msgspec.ValidationError, RecursionError) as error:
            raise _malformed(error) from None

    def to_json(self, *, reveal: bool = False) -> bytes:
        """For the wire; secrets are stars unless they are to be revealed."""
        return msgspec.json.encode(self, enc_hook=_revealed if reveal else _stars)

    def to_values(self) -> dict[str, Any]:
        """The same as mappings, lists and plain values; secrets are stars."""
        values: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_stars)
        return values

    def replace(self, **changes: Any) -> Self:
        """The same with other fields."""
        return msgspec.structs.replace(self, **changes)


class Problem(Message, frozen=True, kw_only=True):
    """The body of every answer that is no success."""

    status: int
    code: str
    """Stable, for programs: `unauthorized`, `not_bound`, `not_found`, `conflict`, `invalid`, `unavailable`."""
    message: str
    """For people: what is wrong and what to do."""


def _revealed(value: object) -> str:
    if not isinstance(value, Secret):
        raise TypeError(f"a message holds no {type(value).__name__}")
    return value.get_secret_value()


def _stars(value: object) -> str:
    return repr(Secret(_revealed(value)))


def _secret(kind: type, value: object) -> Secret:
    if kind is not Secret or not isinstance(value, str):
        raise ValueError("Expected `str`")
    return Secret(value)


_VALUE = re.compile(r"(Invalid (?:enum )?value) .*", re.DOTALL)


def _malformed(error: Exception) -> MalformedError:
    if isinstance(error, RecursionError):
        return MalformedError("nested too deep")
    if not isinstance(error, msgspec.ValidationError):
        return MalformedError("no JSON")
    words, _, where = str(error).rpartition(" - at ")
    if not words:  # of the message as a whole
        return MalformedError(where)
    said = _VALUE.sub(r"\1", words)
    return MalformedError(f"{where.replace('`', '').replace('$.', '')}: {said}")
