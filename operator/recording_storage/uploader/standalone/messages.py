"""What msgspec finds wrong, in words for the person who wrote the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from recording_storage.domain.durations import shown
from recording_storage.domain.policy import FatalErrorPolicy, ObjectMetadata, ServerSideEncryption
from recording_storage.uploader.standalone.values import EMPTY, NOT_PRINTABLE, NOT_TEXT

if TYPE_CHECKING:
    from enum import StrEnum

_ENUMS: dict[str, type[StrEnum]] = {
    "fatalErrorPolicy": FatalErrorPolicy,
    "objectMetadata": ObjectMetadata,
    "serverSideEncryption": ServerSideEncryption,
}
_PLACED = re.compile(r"(?P<words>.*?)(?: - at `\$\.?(?P<where>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_WRONG_TYPE = re.compile(r"Expected `(.*?)`, got `(.*?)`")
_TYPES = {
    "str": NOT_TEXT,
    "bool": "must be true or false",
    "object": "must be a mapping",
    "null": "is not available in this version, and nothing is uploaded in clear instead;"
    " remove the section only if recordings may be stored unencrypted",
}
_CONSTRAINTS = {"Expected `str` of length": EMPTY, "Expected `str` matching": NOT_PRINTABLE}
"""What is wrong there is never shown: a secret may stand in each such field by mistake."""


def fault_of(message: str, document: dict[str, Any]) -> str:
    """The field, its value unless that may be a secret, and the remedy.

    Args:
        message: what `msgspec.ValidationError` says.
        document: what it was said about.
    """
    placed = _PLACED.fullmatch(message)
    assert placed is not None
    words, where = placed["words"], placed["where"] or ""
    inside = f"{where}." if where else ""
    if unknown := _UNKNOWN.fullmatch(words):
        return f"{inside}{unknown[1]} is unknown; check its spelling, or remove it"
    if missing := _MISSING.fullmatch(words):
        return f"{inside}{missing[1]} is missing; add it"
    if wrong := _WRONG_TYPE.fullmatch(words):
        kind = wrong[1].split(" | ")[0]
        return f"{where} {_TYPES.get(kind, f'must be {kind}')}"
    for constraint, fault in _CONSTRAINTS.items():
        if words.startswith(constraint):
            return f"{where} {fault}"
    if words.startswith("Invalid enum value") and (enum := _ENUMS.get(where.rpartition(".")[2])):
        value = document["policy"][where.rpartition(".")[2]]
        return f"{where} {shown(value)} must be {' or '.join(repr(member.value) for member in enum)}"
    return f"{where} {words[:1].lower()}{words[1:]}"
