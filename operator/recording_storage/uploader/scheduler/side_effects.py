"""What follows from changes once they are journalled: they are told, and files that are given up go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recording_storage.domain.failures import PASSING
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.scheduler.batching import Telling
from recording_storage.uploader.scheduler.results import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recording_storage.uploader.journal import records
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.spool.intake import Intake
    from recording_storage.uploader.transfer.task import Outcome


class SideEffects:
    """Used by the scheduler's thread; `last_error` is read by any."""

    def __init__(self, parts: Parts, *, intake: Intake) -> None:
        self._parts = parts
        self._intake = intake
        self.telling = Telling(parts.reporter.wake, clock=parts.clock)
        self.last_error = ""
        """Empty once something has worked since."""
        self.last_error_at: float | None = None
        """POSIX time."""

    def note_error(self, message: str) -> None:
        self.last_error, self.last_error_at = message, self._parts.clock.now()

    def works_again(self) -> None:
        self.last_error, self.last_error_at = "", None

    def note_outcomes(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        """Count them, for the destination and for all."""
        now, counters = self._parts.clock.monotonic(), self._parts.counters
        stored: list[int] = []
        for outcome in outcomes:
            if outcome.stored is not None:
                lane.succeeded()
                self.works_again()
                stored.append(outcome.task.recording.identity.size)
            elif outcome.failure is not None:
                lane.failed(outcome.failure)
                counters.failed(outcome.failure.kind)
                self.note_error(str(outcome.failure))
                if outcome.failure.kind in PASSING:
                    lane.cut(now=now)
        counters.add("stored", len(stored))
        counters.add("stored_bytes", sum(stored))

    def follow(self, made: Sequence[records.Change]) -> None:
        for change in made:
            tell(change)
        if deleted := [change.recording for change in made if change.after is RecordingState.DELETED]:
            gone = self._parts.releaser.delete(deleted)
            self._intake.forget(gone)
        self.telling.note(len(made))
        if any(change.stored is None for change in made):
            self._parts.source.report_soon()
