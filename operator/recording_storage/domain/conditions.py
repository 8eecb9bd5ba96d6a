"""Conditions of a resource: their types, and how one look at an object becomes the list in its status."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

MAX_MESSAGE = 2048
"""Characters; far below what the API server takes, long enough for a person."""


class ConditionType(StrEnum):
    READY = "Ready"
    """True only once the store echoes the desired state; Unknown while progressing; False when it won't come right by
    itself or has failed."""
    RECONCILING = "Reconciling"
    """Present only while True: the operator is at it, or tries again by itself."""
    STALLED = "Stalled"
    """Present only while True: somebody has to mend something."""
    REFS_RESOLVED = "RefsResolved"
    """All that the object refers to is there and may be used."""
    SYNCED = "Synced"
    """The store has what the object asks for."""
    BUCKET_VERIFIED = "BucketVerified"
    """The store has tried the bucket with the credential."""
    UPLOADERS_IN_SYNC = "UploadersInSync"
    """The uploaders run the present revision."""
    ATTENDED = "Attended"
    """An uploader works on the spool; False only while recordings are left there and none does."""
    HEALTHY = "Healthy"
    """No recording of the spool waits for a person."""
    DISK_PRESSURE = "DiskPressure"
    """The spool's volume is almost full."""
    DELETION_BLOCKED = "DeletionBlocked"
    """Present only while True: the object is being deleted, but something still needs it."""


class Truth(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, kw_only=True)
class Condition:
    type: ConditionType
    status: Truth
    reason: str
    """One CamelCase word, for programs."""
    message: str
    """What is wrong, with names, and what to do; for people."""


ONLY_WHILE_TRUE = frozenset({ConditionType.RECONCILING, ConditionType.STALLED, ConditionType.DELETION_BLOCKED})


def true(type_: ConditionType, reason: str, message: str) -> Condition:
    return Condition(type=type_, status=Truth.TRUE, reason=reason, message=message)


def false(type_: ConditionType, reason: str, message: str) -> Condition:
    return Condition(type=type_, status=Truth.FALSE, reason=reason, message=message)


def unknown(type_: ConditionType, reason: str, message: str) -> Condition:
    return Condition(type=type_, status=Truth.UNKNOWN, reason=reason, message=message)


def override(conditions: Iterable[Condition], *newer: Condition) -> tuple[Condition, ...]:
    """The conditions, of which each newer one replaces the one of its type."""
    return tuple({condition.type: condition for condition in (*conditions, *newer)}.values())


def render(
    conditions: Sequence[Condition], *, present: Iterable[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The list for the status, in the order of `ConditionType`; a time stands while the status stands.

    Args:
        conditions: all that hold now; a type that is missing is dropped.
        present: the list that the status has.
        generation: the `metadata.generation` that was looked at.
        now: time of a transition, aware.
    """
    before = {entry.get("type"): entry for entry in present}
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rendered = []
    for type_ in ConditionType:
        condition = next((each for each in conditions if each.type is type_), None)
        if condition is None or (type_ in ONLY_WHILE_TRUE and condition.status is not Truth.TRUE):
            continue
        old = before.get(type_.value, {})
        same = old.get("status") == condition.status.value and old.get("lastTransitionTime")
        rendered.append(
            {
                "type": type_.value,
                "status": condition.status.value,
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if same else stamp,
                "reason": condition.reason,
                "message": shorten(condition.message),
            }
        )
    return rendered


def shorten(message: str) -> str:
    """One line without control characters: it may hold a foreign server's words."""
    line = " ".join("".join(char if char.isprintable() else " " for char in message).split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"
