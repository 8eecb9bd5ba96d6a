"""What identifies a destination, its states as an uploader sees it, and the moves between them."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

LaneKey = tuple[str, str | None]
"""Account sid and destination id; None is the store's own media storage."""


class LaneState(StrEnum):
    OK = "ok"
    CHECKING = "checking"
    """A fresh credential is looked up, or the verify sequence runs, before anything else is sent."""
    FAILING = "failing"
    """What is sent there fails in a way that passes; nothing is sent, and it is probed often, until it answers."""
    HELD = "held"
    """It can't work until somebody mends something, or denies access; probed slowly."""


_S = LaneState

LANE_MOVES = MappingProxyType(
    {
        _S.OK: frozenset({_S.CHECKING, _S.FAILING, _S.HELD}),
        # an upload that was under way may say more than what is asked just now
        _S.CHECKING: frozenset({_S.OK, _S.HELD}),
        _S.FAILING: frozenset({_S.OK, _S.CHECKING, _S.HELD}),
        _S.HELD: frozenset({_S.OK}),
    }
)
"""What may follow what; each state may be entered again with another error."""

PROBED = frozenset({_S.FAILING, _S.HELD})
"""Asked now and then, by the verify sequence, whether it works again."""


class IllegalLaneMoveError(Exception):
    def __init__(self, before: LaneState, after: LaneState) -> None:
        super().__init__(f"a destination can't go from {before} to {after}")


def require_lane_move(before: LaneState, after: LaneState) -> None:
    """Raise IllegalLaneMoveError unless the table allows the move."""
    if after is not before and after not in LANE_MOVES[before]:
        raise IllegalLaneMoveError(before, after)
