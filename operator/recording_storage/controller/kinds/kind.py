"""What a kind brings to the reconcile skeleton."""

from typing import Generic, Protocol, TypeVar

from recording_storage.controller.core.decision import Decision, Note
from recording_storage.resources import Resource

R_contra = TypeVar("R_contra", bound=Resource, contravariant=True)
O = TypeVar("O")  # noqa: E741 - observed
A = TypeVar("A")


class Reconciled(Protocol, Generic[R_contra, O, A]):
    """Observing and acting have effects, deciding has none; all three may raise verdicts."""

    async def observe(self, resource: R_contra) -> O: ...

    def decide(self, resource: R_contra, observed: O) -> Decision[A]: ...

    def decide_deletion(self, resource: R_contra, observed: O) -> Decision[A]: ...

    def changes(self, before: R_contra, after: R_contra) -> tuple[Note, ...]:
        """What is to be told of a look, by the status that the object had and the one that it has got."""
        ...

    async def act(self, resource: R_contra, action: A) -> None: ...

    def interval(self, resource: R_contra) -> float:
        """Seconds between looks when all is well."""
        ...

    def suspended(self, resource: R_contra) -> bool:
        """Whether the store is to be left alone."""
        ...
