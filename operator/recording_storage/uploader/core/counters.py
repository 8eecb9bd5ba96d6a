"""What has happened since the start, for status, metrics and the closing line."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from recording_storage.domain.states import RecordingState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recording_storage.domain.failures import FailureClass

_BY_STATE = {
    RecordingState.PARKED: "parked",
    RecordingState.REJECTED: "rejected",
    RecordingState.DELETED: "deleted",
}


class Counters:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        names = ("stored", "stored_bytes", "released", "failures", "retries", "parked", "rejected", "deleted", "scans")
        self._values: dict[str, float] = dict.fromkeys(names, 0)

    def add(self, name: str, count: float = 1) -> None:
        with self._lock:
            self._values[name] = self._values.get(name, 0) + count

    def failed(self, kind: FailureClass) -> None:
        """One attempt, of this class."""
        self.add("failures")
        self.add(f"failures_{kind.value}")

    def moved(self, state: RecordingState, count: int) -> None:
        """So many have come to a stop there."""
        if state in _BY_STATE:
            self.add(_BY_STATE[state], count)

    def values(self) -> Mapping[str, float]:
        with self._lock:
            return dict(self._values)
