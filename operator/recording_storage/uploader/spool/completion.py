"""Has the recorder finished a file? A pure judgement over what could be learnt of it.

A call on hold writes nothing for minutes, so quiet alone proves nothing: what counts is the recorder's own word (the
marker, a rename into place) or the kernel's (nobody has it open for writing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from recording_storage.uploader.spool.writers import Writers

DEFAULT_SETTLE = 5.0
"""Seconds without a change that are wanted besides the kernel's word: a recorder may open its file again."""


@dataclass(frozen=True, kw_only=True)
class FinishRule:
    """How this spool's recorder says that it has finished."""

    settle: float = DEFAULT_SETTLE
    """Seconds."""
    marker_only: bool = False
    """Nothing but `NAME.EXT.done` counts."""
    quiet_proof: float | None = None
    """Seconds of quiet that count as proof where no better one is to be had; None: they never do."""


class Evidence(NamedTuple):
    """What is known of a file now."""

    marker: bool
    quiet_for: float
    """Seconds since it was last seen in use, closed or renamed, or, of what was there at the start, changed."""
    writers: Writers
    network: bool = False
    """It is on a network file system: nobody here knows who writes to it elsewhere."""
    empty: bool = False
    """Nothing is in it: its name may have been reserved for a call that is still to come."""
    closed: bool = False
    """A writer was seen to close it after its last change, and everybody who was seen to open it."""
    moved_in: bool = False
    """It was seen to be renamed or linked into place, and not to be open."""
    opened: bool = False
    """Somebody was seen to open it, with a marker: after that, and not to close it."""
    watched_for: float = 0.0
    """Seconds for which we ourselves have seen it unchanged: no clock that is set can add to them."""


class Judgement(NamedTuple):
    finished: bool
    look_again: float | None = None
    """Seconds until time alone can change the judgement; None: only an event can."""
    why: str = ""
    settling: bool = False
    """Only time is missing."""
    in_use: bool = False
    """Somebody has it open for writing."""
    unproven: bool = False
    """It may well be finished, and only somebody's word can tell."""


_FINISHED = Judgement(finished=True)
_IN_USE = "is open for writing"
_EMPTY = "is empty and may be filled yet: if it is finished, make an empty file NAME.EXT.done beside it, or remove it"
_NO_MARKER = "it waits for its marker: if it is finished, make an empty file NAME.EXT.done beside it"
_REMEDY = (
    "if it is finished, make an empty file NAME.EXT.done beside it; for good, let the recorder do so, run the uploader"
    " as the recorder's user or with CAP_LEASE, or start it with --quiet-proof"
)
_NO_PROOF = f"nothing proves that it is finished (no marker, no lease, no close was seen): {_REMEDY}"
_OPENED_AGAIN = (
    "somebody has opened it after its marker was made, and not been seen to close it: if it is finished,"
    " remove NAME.EXT.done and make it anew, or close it"
)
_OPENED = f"somebody has opened it and not been seen to close it: {_REMEDY}"


def judge(evidence: Evidence, *, rule: FinishRule) -> Judgement:  # noqa: PLR0911 - a list of rules
    """Whether the file is finished."""
    if evidence.marker and evidence.opened:
        return Judgement(finished=False, why=_OPENED_AGAIN, unproven=True)
    if evidence.marker and evidence.writers is not Writers.SOME:
        return _FINISHED
    if rule.marker_only and evidence.writers is not Writers.SOME:
        return Judgement(finished=False, why=_NO_MARKER, unproven=True)
    if evidence.writers is Writers.SOME:
        return Judgement(finished=False, look_again=max(rule.settle, 1.0), why=_IN_USE, in_use=True)
    if evidence.empty:
        return Judgement(finished=False, why=_EMPTY, unproven=True)
    remaining = rule.settle - evidence.quiet_for
    if remaining > 0:
        return Judgement(finished=False, look_again=remaining, why="has not settled yet", settling=True)
    if evidence.moved_in or (not evidence.network and (evidence.writers is Writers.NONE or evidence.closed)):
        return _FINISHED
    if rule.quiet_proof is None:
        return Judgement(finished=False, why=_OPENED if evidence.opened else _NO_PROOF, unproven=True)
    remaining = rule.quiet_proof - evidence.watched_for
    if remaining > 0:
        return Judgement(finished=False, look_again=remaining, why="has not been quiet for long enough", settling=True)
    return _FINISHED
