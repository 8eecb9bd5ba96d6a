"""What AwsCredential and PublicKey have in common: each stands for an item at the store, of a name that tells whose."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.verdicts import InUse, UsedBy, Verdict, Waiting
from recording_storage.controller.stores.answers import StoredItem
from recording_storage.controller.stores.naming import ItemName
from recording_storage.domain.conditions import ConditionType


@dataclass(frozen=True, kw_only=True)
class ObservedItem:
    tag: str
    """Of the names of this resource's items at the store."""
    name: ItemName | None = None
    """Of the item for what the source holds now; None without that."""
    source_failure: Verdict | None = None
    """Why the source holds nothing that can be used."""
    items: tuple[StoredItem, ...] = ()
    """All items of the kind in the account."""
    in_settings: frozenset[str] = frozenset()
    """Sids that settings at the store have in use."""
    referrers: tuple[str, ...] = ()
    """RecordingSettings that refer to this object."""
    failure: Verdict | None = None
    """Why the store could not be looked at."""
    unshown: float = 0.0
    """Seconds until the store has shown all that may have been made for this object."""
    gone: bool = False
    """The account that it belonged to does not exist any more: nothing can be cleaned up."""


@dataclass(frozen=True)
class Rename:
    sid: str
    name: ItemName


@dataclass(frozen=True)
class Delete:
    sid: str


def told_of_item(old: str | None, new: str | None) -> tuple[Note, ...]:
    """Of an object whose item at the store was `old`, and is `new`."""
    if new in {None, old}:
        return ()
    if old is None:
        return (Note(reason="Created", message=f"the store has it as {new}"),)
    message = f"the store had no {old} any more, and has it as {new} now"
    return (Note(reason="Recreated", message=message, warning=True),)


def blocked(referrers: Sequence[str], used: set[str], held: set[str], *, what: str) -> Verdict:
    """Of an object whose deletion waits.

    Args:
        referrers: RecordingSettings that refer to it.
        used: sids of it that settings at the store have.
        held: sids of it that live uploaders have.
        what: its kind.
    """
    parts = []
    if referrers:
        parts.append(f"{', '.join(referrers)} refers to it")
    elif used:
        parts.append(f"the account's settings at the store use {', '.join(sorted(used))}")
    if held:
        parts.append(f"a live uploader still uses {', '.join(sorted(held))}")
    by = UsedBy.OBJECTS if referrers else UsedBy.STORE if used else UsedBy.UPLOADERS
    return InUse(
        f"not deleted at the store, because {' and '.join(parts)}: refer to another {what} or disable it there first; "
        "the deletion then goes on by itself",
        by=by,
        after=5.0,
    )


def removal(sids: Collection[str], observed: ObservedItem) -> Decision[Delete]:
    """Delete these; without any, the object may go once the store has shown all that there may be."""
    if sids:
        return Decision(actions=tuple(Delete(sid) for sid in sorted(sids)))
    return Decision(verdict=_not_shown_yet(observed.unshown)) if observed.unshown else Decision(finished=True)


def _not_shown_yet(seconds: float) -> Verdict:
    """Of an object whose deletion waits for what a killed process, or a lost answer, may have left at the store."""
    return Waiting(
        "NotShownYet",
        "the settings store may have something of this object that it does not show yet: it is given two minutes for "
        "that after each start of the operator, and after a write that it has not answered; the deletion then goes on "
        "by itself",
        cause=ConditionType.SYNCED,
        after=seconds,
    )
