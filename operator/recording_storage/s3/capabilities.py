"""What a server turned out not to know; remembered for a destination, so that it is asked once."""

import logging
import threading
from collections.abc import Callable, Collection
from typing import TypeVar

from recording_storage.domain.error_codes import is_bare_refusal
from recording_storage.domain.failures import Capability, FailureClass, S3Failure

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

_NONE: frozenset[Capability] = frozenset()
GUESSES = (
    Capability.OBJECT_SIZE,
    Capability.IF_NONE_MATCH,
    Capability.TAGGING,
    Capability.STORAGE_CLASS,
    Capability.CHECKSUM,
    Capability.SHA256,
    Capability.METADATA,
)
"""The order in which they are left out when the server doesn't tell which it lacks: the least known first."""


class Capabilities:
    """The capabilities of one server. Thread-safe."""

    def __init__(self, *, without: Collection[Capability] = ()) -> None:
        """Start with all of them, but those that are known to be missing."""
        self._lock = threading.Lock()
        self._missing = frozenset(without)
        self._known: dict[str, frozenset[Capability]] = {}
        """By operation, those with which it has succeeded: a refusal has other grounds."""

    @property
    def missing(self) -> frozenset[Capability]:
        """What has been dropped."""
        return self._missing

    def __contains__(self, capability: object) -> bool:
        return capability not in self._missing

    def among(self, wanted: Collection[Capability]) -> frozenset[Capability]:
        """Those that are not known to be missing."""
        return frozenset(wanted) - self._missing

    def drop(self, capability: Capability) -> None:
        """Do without from now on."""
        with self._lock:
            if capability in self._missing:
                return
            self._missing |= {capability}
        _log.warning("the S3 server does not know %s: going on without", capability.value)

    def adapt(
        self,
        attempt: Callable[[frozenset[Capability]], _Result],
        *,
        wanted: Collection[Capability],
        operation: str,
        once: bool = False,
    ) -> _Result:
        """Make an attempt, again without each capability that the server turns out to lack.

        What was left out is remembered when the attempt without it succeeds, and not before: a refusal that has other
        grounds must not cost the destination its checksums. Of what was only guessed, the last one is remembered.
        A refusal that names nothing (`is_bare_refusal`) makes one guess only at what that operation has never succeeded
        with: one capability may have a header of its own in each.

        Args:
            attempt: makes the request with the capabilities that it is given.
            wanted: what the request would like to use.
            operation: its name.
            once: a refusal is what is asked for, and no reason to go without anything.

        Raises:
            S3Failure: from `attempt`. `UNSUPPORTED` never comes out: what can't be left out is a hold, and a refusal of
                what was not even asked for is one whose meaning is to be asked back.
        """
        if once:
            return attempt(self.among(wanted))
        named: list[Capability] = []
        guessed: list[Capability] = []
        while True:
            active = self.among(wanted).difference(named, guessed)
            try:
                result = attempt(active)
            except S3Failure as failure:
                culprit = self._culprit(failure, active, known=self._known.get(operation, _NONE))
                if culprit is None:
                    if failure.kind is FailureClass.UNSUPPORTED:
                        failure.kind = FailureClass.REFUSED if failure.capability else FailureClass.HOLD
                    raise
                (named if failure.capability is culprit else guessed).append(culprit)
            else:
                for capability in (*named, *guessed[-1:]):
                    self.drop(capability)
                if not active <= self._known.get(operation, _NONE):
                    self._note(operation, active)
                return result

    def _note(self, operation: str, active: frozenset[Capability]) -> None:
        with self._lock:
            self._known[operation] = self._known.get(operation, _NONE) | active

    def _culprit(
        self, failure: S3Failure, active: frozenset[Capability], *, known: frozenset[Capability]
    ) -> Capability | None:
        """What to leave out after a failure; None: it is about something else."""
        if failure.kind is FailureClass.UNSUPPORTED:
            if failure.capability is not None:
                return failure.capability if failure.capability in active else None
            suspects = active
        elif is_bare_refusal(failure):
            suspects = active - known
        else:
            return None
        return next((capability for capability in GUESSES if capability in suspects), None)
