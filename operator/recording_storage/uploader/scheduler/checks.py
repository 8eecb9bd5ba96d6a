"""What is asked back before a refusal counts: another credential, or whether the destination refuses everything.

Recordings wait for the answer in the destination's limbo.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.upload_decision import Confirmation
from recording_storage.uploader.core.destination_state import LaneState
from recording_storage.uploader.core.recording import Reason
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.scheduler.prober import LOOK_UP
from recording_storage.uploader.transfer.task import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.protocol.plan import DestinationPlan
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.scheduler.prober import Prober, Settles

log = logging.getLogger(__name__)


class Checks:
    """Used by the scheduler's thread."""

    def __init__(self, parts: Parts, *, scheduler: Settles, prober: Prober) -> None:
        self._parts = parts
        self._scheduler = scheduler
        self._prober = prober

    def refresh(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        """Look the credential up afresh; the recordings wait for what comes of it."""
        if not self._check(lane, outcomes):
            return

        def ask() -> Callable[[], None]:
            self._parts.source.refresh(timeout=LOOK_UP)
            return lambda: self._refreshed(lane)

        self._prober.ask(lane, ask)

    def _check(self, lane: Lane, outcomes: Sequence[Outcome]) -> bool:
        """Have these wait for an answer; False: it is asked already, or the destination is held anyway."""
        if lane.state is LaneState.HELD:
            self._settle_untried(lane, outcomes)
            return False
        lane.limbo += outcomes
        if lane.state is LaneState.CHECKING:
            return False
        lane.become(LaneState.CHECKING)
        return True

    def _refreshed(self, lane: Lane) -> None:
        if lane.state is not LaneState.CHECKING:  # held meanwhile
            self._settle_untried(lane, lane.limbo)
            return
        terms = self._prober.terms(lane)
        limbo = list(lane.limbo)
        refused = {id(outcome.credential): outcome.credential for outcome in limbo}.values()
        lane.fresh_credential = True
        if terms is not None and terms.keys is not None and terms.keys not in refused:
            log.info("%s: another credential was found, it is tried", lane.url)
            outcomes = [Outcome(outcome.task) for outcome in limbo]
        else:
            outcomes = list(limbo)
        lane.become(LaneState.OK)
        lane.drop_client()
        self._settle(lane, outcomes, confirmation=Confirmation.PENDING)

    # What may be the destination's fault.

    def confirm(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        """Have the verify sequence say whether the destination refuses everything; the recordings wait for it."""
        if not self._check(lane, outcomes):
            return

        def ask() -> Callable[[], None]:
            terms = self._prober.terms(lane)
            if terms is None or terms.keys is None:
                failure: S3Failure | None = S3Failure(
                    FailureClass.HOLD, code=Reason.NO_CREDENTIAL.value, message="there is no credential any more"
                )
            else:
                failure = self._prober.verify(lane, terms)
            return lambda: self._confirmed(lane, failure, asked=terms)

        self._prober.ask(lane, ask)

    def _confirmed(self, lane: Lane, failure: S3Failure | None, *, asked: DestinationPlan | None) -> None:
        if lane.state is not LaneState.CHECKING:  # held meanwhile
            self._settle_untried(lane, lane.limbo)
            return
        limbo = list(lane.limbo)
        lane.become(LaneState.OK)
        if failure is None:
            self._settle(lane, limbo, confirmation=Confirmation.PASSED)
        elif self._prober.terms(lane) != asked:  # another credential has come meanwhile: it is tried
            lane.drop_client()
            self._settle_untried(lane, limbo)
        else:
            failure.uncertain = False  # that the recordings were refused is certain
            outcomes = [Outcome(one.task, one.credential, failure=failure) for one in limbo]
            self._settle(lane, outcomes, confirmation=Confirmation.FAILED)

    def _settle_untried(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        untried = [Outcome(one.task) for one in outcomes]
        self._settle(lane, untried, confirmation=Confirmation.PENDING)

    def _settle(self, lane: Lane, outcomes: Sequence[Outcome], *, confirmation: Confirmation) -> None:
        """Settle these, and no others that are in limbo; settling may put some there again, for another question."""
        waited, settled = lane.limbo, {id(outcome.task) for outcome in outcomes}
        lane.limbo = [outcome for outcome in waited if id(outcome.task) not in settled]
        try:
            self._scheduler.settle(lane, outcomes, confirmation=confirmation)
        except JournalError:
            lane.limbo = waited
            raise
        lane.hungry = True
