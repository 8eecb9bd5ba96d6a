"""How a reconcile ends when the object isn't Ready: the error carries the decision, one function maps it.

`Stalled`    somebody has to mend something: Ready False, Stalled. Tried again at growing pauses all the same, because
             not everything that can be mended (a bucket's policy, an account's rights) tells us so.
`Waiting`    something else has to come first: a Secret, an account, an uploader. Its change wakes us; `after` is the
             safety net.
`Transient`  it passes by itself: the store or the API server is away. Tried again with backoff.
`RunsOn`     all that is asked for is in force, with the earlier of two keys: Ready True. The refusal of the new one is
             told by the cause's condition, and Stalled where the key comes from. Tried again as a refusal is.
"""

from enum import StrEnum
from typing import Any

from recording_storage.domain.backoff import doubled
from recording_storage.domain.conditions import Condition, ConditionType, Truth, override, true


class Verdict(Exception):  # noqa: N818 - a decision, not always an error
    """Ends a reconcile. The message says what is wrong, with names, and what to do; never a secret."""

    ready = Truth.UNKNOWN
    reconciling = True
    stalled = False

    def __init__(self, reason: str, message: str, *, cause: ConditionType | None = None) -> None:
        """Take what people and programs are told.

        Args:
            reason: one CamelCase word.
            message: one or two sentences.
            cause: the condition that is not True for this reason.
        """
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
        self.cause = cause
        self.status: dict[str, Any] = {}
        """Fields of the object's status that are known in spite of it, in camelCase; None removes one."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class Stalled(Verdict):
    ready = Truth.FALSE
    reconciling = False
    stalled = True


class RunsOn(Verdict):
    ready = Truth.TRUE
    reconciling = False

    def __init__(self, refusal: Stalled) -> None:
        """Take what was refused; its message names what is in use instead."""
        message = f"it works with the earlier key, and the new one is refused: {refusal.message}"
        super().__init__("EarlierKeyInUse", message, cause=refusal.cause)
        self.refusal = refusal
        self.status = refusal.status


class Waiting(Verdict):
    def __init__(
        self,
        reason: str,
        message: str,
        *,
        cause: ConditionType | None = None,
        after: float = 60.0,
        ready: Truth = Truth.UNKNOWN,
    ) -> None:
        """Take what is waited for.

        Args:
            reason: one CamelCase word.
            message: one or two sentences.
            cause: the condition that is not True for this reason.
            after: seconds until the next look, should no change wake us earlier.
            ready: False when nothing is under way that would bring it: a missing Secret does not come by itself.
        """
        super().__init__(reason, message, cause=cause)
        self.after = after
        self.ready = ready
        self.reconciling = ready is Truth.UNKNOWN


class UsedBy(StrEnum):
    OBJECTS = "objects"
    """They refer to it."""
    UPLOADERS = "uploaders"
    """Live ones; this passes when they end."""
    STORE = "store"
    """Settings or recordings there; nothing is lost when the object goes and what it stands for stays at the store."""


class InUse(Waiting):
    """Of an object whose deletion waits for those that use it."""

    def __init__(self, message: str, *, by: UsedBy, after: float = 60.0) -> None:
        """Take who uses it.

        Args:
            message: names them, and says what to do.
            by: who uses it.
            after: seconds until the next look, should no change wake us earlier.
        """
        super().__init__("InUse", message, cause=ConditionType.DELETION_BLOCKED, after=after, ready=Truth.FALSE)
        self.by = by


class NamespaceEnding(Waiting):
    """Nothing more is made in a namespace that is being deleted: what is missing there does not come any more."""

    def __init__(self, message: str, *, cause: ConditionType | None = None) -> None:
        """Take what is missing.

        Args:
            message: names it.
            cause: the condition that is not True for it.
        """
        told = f"{message}. Nothing more is made in a namespace that is being deleted"
        super().__init__("NamespaceEnding", told, cause=cause, ready=Truth.FALSE)


class Transient(Verdict):
    def __init__(
        self, reason: str, message: str, *, cause: ConditionType | None = None, retry_after: float | None = None
    ) -> None:
        """Take the failure.

        Args:
            reason: one CamelCase word.
            message: one or two sentences.
            cause: the condition that can't be told now.
            retry_after: seconds that the other side asked us to wait.
        """
        super().__init__(reason, message, cause=cause)
        self.retry_after = retry_after


class Defect(Transient):
    """A fault of the operator's own that keeps it from looking at one object; the others are not held up by it."""

    def __init__(self, what: str) -> None:
        """Take what went wrong, without any value that was at hand: it may be a secret."""
        super().__init__(
            "OperatorDefect",
            f"the operator fails at this object by a fault of its own ({what}): what the store has stays in force. "
            "It is tried again by itself; report it with the operator's log, which says more",
            cause=ConditionType.SYNCED,
            retry_after=5.0,
        )


def conditions_of(
    verdict: Verdict | None, causes: tuple[Condition, ...], *, ready_message: str
) -> tuple[Condition, ...]:
    """All conditions of a look at an object: its causes, and the summary that people read first."""
    if verdict is None:
        return override(causes, true(ConditionType.READY, "Succeeded", ready_message))
    ready = Condition(type=ConditionType.READY, status=verdict.ready, reason=verdict.reason, message=verdict.message)
    summary = [ready]
    if verdict.stalled:
        summary.append(true(ConditionType.STALLED, verdict.reason, verdict.message))
    if verdict.reconciling:
        summary.append(true(ConditionType.RECONCILING, verdict.reason, verdict.message))
    if verdict.cause is not None and verdict.cause not in {ConditionType.READY, ConditionType.DELETION_BLOCKED}:
        status = Truth.UNKNOWN if isinstance(verdict, Transient) else Truth.FALSE
        why = verdict.refusal if isinstance(verdict, RunsOn) else verdict
        summary.append(Condition(type=verdict.cause, status=status, reason=why.reason, message=why.message))
    elif verdict.cause is ConditionType.DELETION_BLOCKED:
        summary.append(true(ConditionType.DELETION_BLOCKED, verdict.reason, verdict.message))
    return override(causes, *summary)


class Streak:
    """Looks at one object that ended for the same reason in a row.

    Only these lengthen the pause: an object that has waited for others, and is refused for the first time now, is tried
    again soon.
    """

    def __init__(self) -> None:
        self._reason = ""
        self._length = 0

    def count(self, reason: str) -> int:
        """How many they are with this one, which ended for `reason`."""
        self._length = self._length + 1 if reason == self._reason else 1
        self._reason = reason
        return self._length


def jitter(drawn: float) -> float:
    """By what a pause is lengthened, so that many that failed at once don't come back at once.

    It is never shortened: who says Retry-After means it.

    Args:
        drawn: from 0 to 1.
    """
    return 1.0 + 0.2 * drawn


_STALLED_FIRST, _TRANSIENT_FIRST, _TRANSIENT_LONGEST = 2.0, 0.5, 30.0


def pause(verdict: Verdict | None, *, failures: int, interval: float) -> float:
    """Seconds until the next look, before jitter.

    Args:
        verdict: None: all is well.
        failures: how many looks in a row have failed for this reason, this one included; see `Streak`.
        interval: seconds between looks when all is well.
    """
    if verdict is None:
        return interval
    if isinstance(verdict, Waiting):
        return min(verdict.after, interval)
    if isinstance(verdict, Transient):
        backoff = doubled(failures, first=_TRANSIENT_FIRST, most=_TRANSIENT_LONGEST)
        return max(backoff, verdict.retry_after or 0.0)
    return doubled(failures, first=_STALLED_FIRST, most=interval)
