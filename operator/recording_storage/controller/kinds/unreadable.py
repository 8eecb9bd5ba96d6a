"""Objects that this version does not understand: told, left alone at the store, and let go by their metadata alone."""

from recording_storage.controller.cluster.index import Index, key_of
from recording_storage.controller.cluster.unreadable import Unread
from recording_storage.controller.core.decision import Decision, Note
from recording_storage.controller.core.verdicts import InUse, Stalled, UsedBy
from recording_storage.domain.conditions import ConditionType

INTERVAL = 300.0


class UnreadKind:
    """Takes the place of any kind. The store is never touched: what it has stays in force."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def interval(self, resource: Unread) -> float:
        del resource
        return INTERVAL

    def suspended(self, resource: Unread) -> bool:
        del resource
        return False

    async def observe(self, resource: Unread) -> tuple[str, ...]:
        """Objects that refer to it: `RecordingSettings team-a/default`."""
        return tuple(str(key) for key in self._index.referrers(key_of(resource)))

    def decide(self, resource: Unread, observed: tuple[str, ...]) -> Decision[None]:
        del observed
        verdict = Stalled(
            "NotUnderstood",
            f"this version of the operator does not understand {resource.fault}. What the store has stays in force. "
            "Upgrade the operator, or write what it understands",
            cause=ConditionType.SYNCED,
        )
        return Decision(verdict=verdict)

    def changes(self, before: Unread, after: Unread) -> tuple[Note, ...]:
        del before, after
        return ()

    def decide_deletion(self, resource: Unread, observed: tuple[str, ...]) -> Decision[None]:
        if observed:
            names = ", ".join(observed[:5]) + (", …" if len(observed) > 5 else "")  # noqa: PLR2004
            return Decision(verdict=InUse(f"still referred to by {names}: delete these first", by=UsedBy.OBJECTS))
        message = (
            "deleted without cleaning up at the settings store, because this version of the operator does not "
            f"understand {resource.fault}: something may be left there"
        )
        return Decision(notes=(Note(reason="Abandoned", message=message, warning=True),), finished=True)

    async def act(self, resource: Unread, action: None) -> None:
        """There is nothing that it could do."""
