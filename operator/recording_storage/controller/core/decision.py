"""What a look at an object leads to: actions, fields of the status, conditions, and whether it is Ready."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from recording_storage.controller.core.verdicts import Verdict
from recording_storage.domain.conditions import Condition

A_co = TypeVar("A_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that happened, told as a Kubernetes event once it has."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision(Generic[A_co]):
    """Made by a pure function from (object, what was observed).

    With actions, they are done in their order, `status` is taken over, and all is observed and decided anew. Without,
    the object is as it should be (`verdict` None) or can't get there now (`verdict` says why).
    """

    actions: tuple[A_co, ...] = ()
    status: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Fields of the status, in camelCase, to take over once the actions are done; None removes one."""
    conditions: tuple[Condition, ...] = ()
    """The causes."""
    verdict: Verdict | None = None
    message: str = ""
    """What Ready says when it is True."""
    notes: tuple[Note, ...] = ()
    """Told once the actions are done."""
    again_after: float | None = None
    """Seconds until the next look, if that is sooner than the interval."""
    finished: bool = False
    """Of an object that is being deleted: nothing of it is left to clean up."""
