"""From what workers bring back to moves in the journal and measures for the destination."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recording_storage.domain.denial import NEEDS_PUT
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.states import RecordingState
from recording_storage.domain.upload_decision import Confirmation, Decision, FailureFacts, NextStep, decide
from recording_storage.uploader.core.recording import EntryError, Reason
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.group_transitions import WINDOW_PASSED
from recording_storage.uploader.journal.records import AttemptOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recording_storage.uploader.core.plans import PlanBook
    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.transfer.task import FileProblemError, Outcome

log = logging.getLogger(__name__)
_S = RecordingState


@dataclass
class Measures:
    """What a group of outcomes leads to."""

    changes: list[records.Change] = field(default_factory=list)
    await_again: list[str] = field(default_factory=list)
    """Paths that intake has to look out for."""
    hold: EntryError | None = None
    refresh: list[Outcome] = field(default_factory=list)
    """They wait for a fresh credential."""
    confirm: list[Outcome] = field(default_factory=list)
    """They wait for the verify sequence."""


def error_of(failure: S3Failure) -> EntryError:
    """For the journal and for people."""
    operation = f"{failure.operation}: " if failure.operation else ""
    return EntryError(failure.kind.value, failure.code, f"{operation}{failure.message}")  # the code stands beside it


class Results:
    """Decides; the scheduler carries out."""

    def __init__(self, *, plans: PlanBook, clock: Clock) -> None:
        self._plans = plans
        self._clock = clock

    def settle(
        self,
        lane: Lane,
        outcomes: Sequence[Outcome],
        *,
        running: float,
        confirmation: Confirmation = Confirmation.PENDING,
    ) -> Measures:
        """What to do. `running` is the uploader's running time in seconds."""
        measures = Measures()
        for outcome in outcomes:
            if outcome.stored is not None:
                measures.changes.append(
                    records.Change(
                        outcome.task.recording,
                        _S.STORED,
                        stored=outcome.stored,
                        attempt_id=outcome.task.attempt_id,
                        outcome=AttemptOutcome.STORED,
                    )
                )
            elif outcome.failure is not None:
                self._failed(lane, outcome, outcome.failure, measures, running=running, confirmation=confirmation)
            elif outcome.problem is not None:
                self._problem(outcome, outcome.problem, measures)
            else:
                measures.changes.append(_untried(outcome))
        return measures

    def _failed(
        self,
        lane: Lane,
        outcome: Outcome,
        failure: S3Failure,
        measures: Measures,
        *,
        running: float,
        confirmation: Confirmation,
    ) -> None:
        recording = outcome.task.recording
        since = recording.failing_since if recording.failing_since is not None else running
        policy = self._plans.policy(recording.account_sid, recording.product)
        decision = decide(
            FailureFacts(
                kind=failure.kind,
                product=recording.product,
                to_store=failure.operation in NEEDS_PUT,
                failures=recording.failures + 1,
                failing_for=running - since,
                recovered_for=None if lane.recovered_at is None else running - lane.recovered_at,
                retry_after=failure.retry_after,
                fresh_credential=lane.fresh_credential,
                confirmation=confirmation,
                proven=lane.proven,
            ),
            policy=policy,
            uniform=random.uniform,
        )
        if decision.step is NextStep.REFRESH_CREDENTIAL:
            measures.refresh.append(outcome)
            return
        if decision.step is NextStep.CONFIRM:
            measures.confirm.append(outcome)
            return
        measures.changes.append(self._change(outcome, failure, decision, since=since))
        if decision.step is NextStep.HOLD:
            measures.hold = error_of(failure)

    def _change(self, outcome: Outcome, failure: S3Failure, decision: Decision, *, since: float) -> records.Change:
        recording = outcome.task.recording
        after, retry_at = _AFTER[decision.step], None
        if decision.step is NextStep.WAIT:
            retry_at = self._clock.now() + decision.delay
        error = error_of(failure)
        if decision.window_passed:
            error = EntryError(error.kind, error.code, WINDOW_PASSED + error.message)
        return records.Change(
            recording,
            after,
            error=error,
            retry_at=retry_at,
            failures=recording.failures + 1,
            failing_since=since,
            attempt_id=outcome.task.attempt_id,
            outcome=_attempt_outcome(outcome, uncertain=failure.uncertain),
        )

    def _problem(self, outcome: Outcome, problem: FileProblemError, measures: Measures) -> None:
        recording = outcome.task.recording
        waits = problem.reason is Reason.CHANGED_WHILE_UPLOADING
        log.warning("%s (%s): %s", recording.path, recording.sid, problem.message)
        measures.changes.append(
            records.Change(
                recording,
                _S.WAITING if waits else _S.PARKED,
                error=EntryError(FailureClass.FILE.value, problem.reason.value, problem.message),
                attempt_id=outcome.task.attempt_id,
                outcome=AttemptOutcome.UNCERTAIN if problem.left_object else AttemptOutcome.FAILED,
            )
        )
        if problem.reason is not Reason.CHANGED_AFTER_UPLOAD:
            measures.await_again.append(recording.path)


_AFTER = {
    NextStep.WAIT: _S.WAITING,
    NextStep.PARK: _S.PARKED,
    NextStep.HOLD: _S.HELD,
    NextStep.DELETE: _S.DELETED,
}


def _attempt_outcome(outcome: Outcome, *, uncertain: bool) -> AttemptOutcome:
    """A multipart upload stays open, to be gone on with; a single request is over, with or without effect."""
    if outcome.task.is_multipart:
        return AttemptOutcome.OPEN
    return AttemptOutcome.UNCERTAIN if uncertain else AttemptOutcome.FAILED


def _untried(outcome: Outcome) -> records.Change:
    """Back in the queue as if nothing had been; a multipart upload that was begun is gone on with."""
    recording = outcome.task.recording
    return records.Change(
        recording,
        _S.FOUND,
        failures=recording.failures,
        failing_since=recording.failing_since,
        error=recording.error,
        attempt_id=outcome.task.attempt_id,
        outcome=AttemptOutcome.OPEN if outcome.task.is_multipart else AttemptOutcome.FAILED,
    )


def tell(change: records.Change) -> None:
    """One line for people: the worse, the louder."""
    recording, error = change.recording, change.error
    if change.stored is not None:
        log.info("stored %s as %s", recording.path, change.stored.media_url)
    elif error is None:
        return
    elif change.after is _S.WAITING:
        log.warning("%s (%s) waits for its next try: %s", recording.path, recording.sid, error.message)
    else:
        log.debug("%s (%s) is %s: %s", recording.path, recording.sid, change.after.value, error.message)
