"""What a server turned out not to know; remembered for a destination, so that it is asked once."""

import logging
import threading
from collections.abc import Callable, Collection
from typing import TypeVar

from recording_storage.domain.failures import Capability, FailureClass, S3Failure

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

GUESSES = (
    Capability.OBJECT_SIZE,
    Capability.IF_NONE_MATCH,
    Capability.TAGGING,
    Capability.STORAGE_CLASS,
    Capability.CHECKSUM,
    Capability.SHA256,
)
"""The order in which they are left out when the server doesn't tell which it lacks: the least known first."""


class Capabilities:
    """The capabilities of one server. Thread-safe."""

    def __init__(self, *, without: Collection[Capability] = ()) -> None:
        """Start with all of them, but those that are known to be missing."""
        self._lock = threading.Lock()
        self._missing = frozenset(without)

    @property
    def missing(self) -> frozenset[Capability]:
        """What has been dropped."""
        return self._missing

    def __contains__(self, capability: object) -> bool:
        return capability not in self._missing

    def drop(self, capability: Capability) -> None:
        """Do without from now on."""
        with self._lock:
            if capability in self._missing:
                return
            self._missing |= {capability}
        _log.warning("the S3 server does not know %s: going on without", capability.value)

    def adapt(self, attempt: Callable[[frozenset[Capability]], _Result], *, wanted: Collection[Capability]) -> _Result:
        """Make an attempt, again without each capability that the server turns out to lack.

        What was left out is remembered when the attempt without it succeeds, and not before: a refusal that has other
        grounds must not cost the destination its checksums. Of what was only guessed, the last one is remembered.

        Args:
            attempt: makes the request with the capabilities that it is given.
            wanted: what the request would like to use.

        Raises:
            S3Failure: from `attempt`. `UNSUPPORTED` never comes out: what can't be left out is a hold, and a refusal of
                what was not even asked for is the file's.
        """
        named: list[Capability] = []
        guessed: list[Capability] = []
        while True:
            active = frozenset(c for c in wanted if c in self and c not in named and c not in guessed)
            try:
                result = attempt(active)
            except S3Failure as failure:
                if failure.kind is not FailureClass.UNSUPPORTED:
                    raise
                guess = next((c for c in GUESSES if c in active), None)
                if failure.capability is not None and failure.capability in active:
                    named.append(failure.capability)
                elif failure.capability is None and guess is not None:
                    guessed.append(guess)
                else:
                    failure.kind = FailureClass.FILE if failure.capability else FailureClass.HOLD
                    raise
            else:
                for capability in (*named, *guessed[-1:]):
                    self.drop(capability)
                return result
