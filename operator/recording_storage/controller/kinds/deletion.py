"""How an object goes: the finalizer holds it until the store is cleaned up as its deletionPolicy says.

A store that is gone must not hold it for good: the finalizer goes

- at once, when the object is annotated with `recordingstorage.dev/abandon: "true"`;
- by itself, an hour after the deletion was asked for, when the store could not be asked in that time, or what the
  object stands for is still in use (`DeletionBlocked`): it stays at the store then, so its users lose nothing;
- without that hour, when settings or recordings at the store use it and its RecordingAccount is being deleted, too, as
  with a whole namespace: nobody is left who would change anything about that;
- without that hour, when the account's API key went with its namespace: nobody can put it there again.

Each time a warning event says that something may have been left there. What other objects refer to waits without a
deadline, but for the annotation.
"""

import time
from collections.abc import Callable
from datetime import datetime

from recording_storage.controller.core.decision import Note
from recording_storage.controller.core.verdicts import InUse, NamespaceEnding, UsedBy, Verdict

ABANDON_ANNOTATION = "recordingstorage.dev/abandon"
"""`"true"`: let the object go without cleaning up at the store."""
ABANDONED_AFTER = 3600.0
"""Seconds after which an object that is being deleted no longer waits for a store that can't be asked."""


class Watched:
    """For how long this process has watched something: the API server's times are by another clock than ours.

    A deadline that only compared the two would be over at once where ours is ahead. After a restart it is watched anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def seconds(self, what: str) -> float:
        """Since it was first asked for."""
        return self._clock() - self._since.setdefault(what, self._clock())

    def forget(self, what: str) -> None:
        self._since.pop(what, None)


def waited_for(since: datetime, *, now: datetime, watched: float) -> float:
    """Seconds that are sure to have passed since a time of another clock, in aware times.

    Args:
        since: by the other clock.
        now: by ours.
        watched: seconds that we have seen pass.
    """
    by_clock = (now - since).total_seconds()
    return watched if by_clock < 0 else min(by_clock, watched)  # ours is behind: it says nothing


def why_abandoned(verdict: Verdict, *, waited: float, account_leaves: bool) -> str:
    """Why an object goes without cleaning up at the store, for people; empty while it doesn't.

    Args:
        verdict: why it has not gone yet.
        waited: seconds since its deletion was asked for.
        account_leaves: its RecordingAccount is being deleted, too.
    """
    match verdict:
        case InUse(by=UsedBy.OBJECTS):
            return ""
        case InUse(by=UsedBy.STORE) if account_leaves:
            return f"its RecordingAccount is being deleted: {verdict.message}"
        case NamespaceEnding():
            return verdict.message
    return f"for an hour: {verdict.message}" if waited >= ABANDONED_AFTER else ""


def deadline_text(verdict: Verdict, asked: datetime) -> str:
    """Until when the object waits, for people."""
    at_once = f"at once when annotated with {ABANDON_ANNOTATION}=true."
    if isinstance(verdict, InUse) and verdict.by is UsedBy.OBJECTS:
        return f"The object is being deleted; it goes without that {at_once}"
    return f"The object is being deleted; it goes without that an hour after {asked:%Y-%m-%dT%H:%M:%SZ}, or {at_once}"


def abandoned(why: str) -> Note:
    """What is told of an object that goes without."""
    message = f"deleted without cleaning up at the settings store ({why}): something may be left there"
    return Note(reason="Abandoned", message=message, warning=True)
