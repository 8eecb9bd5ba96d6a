"""The states of a recording and the moves between them."""

from enum import StrEnum
from types import MappingProxyType


class Product(StrEnum):
    VOICE = "voice"
    VIDEO = "video"


class RecordingState(StrEnum):
    FOUND = "found"
    """Finished by the recorder and entered in the journal; nothing sent yet."""
    UPLOADING = "uploading"
    """An attempt is under way (after a crash: was under way, and is continued)."""
    WAITING = "waiting"
    """Failed in a way that passes; tried again at `retry_at`."""
    HELD = "held"
    """Its destination can't work until somebody mends something; released by the destination's recovery."""
    PARKED = "parked"
    """Kept on the spool without automatic tries, until someone asks for a retry."""
    REJECTED = "rejected"
    """Its destination denies access, and has for longer than the grace; kept on the spool. Found again by itself when
    the destination grants access, or when someone asks for a retry."""
    STORED = "stored"
    """The bytes are at the destination, compared by checksum; key, ETag and size are journalled."""
    REPORTED = "reported"
    """The settings store has acknowledged the location (alone: the receipt is written)."""
    RELEASED = "released"
    """The local file is gone. The end of a good life."""
    DELETED = "deleted"
    """Deleted without being stored: policy Delete after a fatal error, or on request."""


_S = RecordingState

MOVES = MappingProxyType(
    {
        _S.FOUND: frozenset({_S.UPLOADING, _S.WAITING, _S.HELD, _S.PARKED, _S.REJECTED, _S.DELETED}),
        _S.UPLOADING: frozenset({_S.STORED, _S.WAITING, _S.HELD, _S.PARKED, _S.REJECTED, _S.DELETED, _S.FOUND}),
        _S.WAITING: frozenset({_S.UPLOADING, _S.HELD, _S.PARKED, _S.REJECTED, _S.FOUND, _S.DELETED}),
        _S.HELD: frozenset({_S.FOUND, _S.PARKED, _S.REJECTED, _S.DELETED}),
        _S.PARKED: frozenset({_S.FOUND, _S.DELETED}),
        _S.REJECTED: frozenset({_S.FOUND, _S.DELETED}),
        _S.STORED: frozenset({_S.REPORTED, _S.PARKED}),
        _S.REPORTED: frozenset({_S.RELEASED, _S.PARKED}),
        _S.RELEASED: frozenset(),
        _S.DELETED: frozenset(),
    }
)
"""What may follow what. A move that is not here is a defect of the caller, never data to be accepted."""

FINAL = frozenset({_S.RELEASED, _S.DELETED})
KEPT = frozenset({_S.PARKED, _S.REJECTED})
"""Kept on the spool, and told."""
AT_DESTINATION = frozenset({_S.STORED, _S.REPORTED, _S.RELEASED})


class IllegalMoveError(Exception):
    def __init__(self, before: RecordingState, after: RecordingState) -> None:
        super().__init__(f"a recording can't go from {before} to {after}")
        self.before = before
        self.after = after


def require_move(before: RecordingState, after: RecordingState) -> None:
    """Raise IllegalMoveError unless the table allows the move."""
    if after not in MOVES[before]:
        raise IllegalMoveError(before, after)
