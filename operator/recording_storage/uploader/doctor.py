"""Finds out what is wrong with a destination, and whether it works again: by the verify sequence, not by recordings.

Everything here begins and ends in the scheduler's thread; only the asking itself runs in threads of its own.
"""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Protocol

from recording_storage.domain.backoff import full_jitter
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.policy import FatalErrorPolicy
from recording_storage.domain.states import Product
from recording_storage.domain.upload_decision import Confirmation
from recording_storage.uploader.entry import EntryError, Reason
from recording_storage.uploader.journal import JournalError
from recording_storage.uploader.lanes import LaneState
from recording_storage.uploader.outcome import Outcome
from recording_storage.uploader.settlement import error_of
from recording_storage.uploader.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.uploader.claims import Claims
    from recording_storage.uploader.lanes import Lane
    from recording_storage.uploader.parts import Parts
    from recording_storage.uploader.plans import DestinationTerms

log = logging.getLogger(__name__)

FIRST_PROBE, MOST_PROBE = 5.0, 300.0
"""Seconds, of which at least half are waited before a held destination is probed; doubled with each probe in vain."""
LATELY = 30.0
"""Seconds for which a confirmed denial is not confirmed again."""
LOOK_UP = 15.0
"""Seconds that a fresh look-up of a credential may take."""
_WAITS_FOR_PLAN = frozenset({Reason.NO_PLAN.value, Reason.NO_CREDENTIAL.value, Reason.ENCRYPTION_UNAVAILABLE.value})


class Scheduler(Protocol):
    """What the doctor needs of it; called in the scheduler's thread."""

    def post(self, work: Callable[[], None]) -> None:
        """From any thread: run it in the scheduler's."""

    def settle(self, lane: Lane, outcomes: Sequence[Outcome], *, confirmation: Confirmation) -> None:
        """Decide about these and journal it. Raises JournalError."""

    def end_denied(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        """End these and all else that is there for the destination. Raises JournalError."""

    def hold(self, lane: Lane) -> None:
        """Journal that all its recordings are held. Raises JournalError."""

    def release(self, lane: Lane) -> None:
        """Journal that all its recordings are to be tried again. Raises JournalError."""


class Doctor:
    """Used by the scheduler's thread."""

    def __init__(self, parts: Parts, *, scheduler: Scheduler, claims: Claims) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._scheduler = scheduler
        self._claims = claims
        self.asking = 0
        """Questions under way."""

    def connect(self, lane: Lane) -> bool:
        """Make sure that the lane has a client; False: it was held, and the lane says why."""
        if lane.store is not None:
            return True
        if lane.destination_id is None:
            if self._parts.media is None:
                self.hold(lane, _reason(Reason.NO_CREDENTIAL, "there is no media storage without a settings store"))
                return False
            return True
        terms = self._parts.plans.terms(lane.account_sid, lane.destination_id)
        if (error := _unusable(terms, live=self._parts.plans.live)) is not None:
            self.hold(lane, error)
            return False
        assert terms is not None
        try:
            lane.store = self._parts.connections.connect(terms)
        except S3Failure as failure:
            self.hold(lane, error_of(failure))
            return False
        lane.terms, lane.location = terms, terms.location
        self._claims.keep_terms(lane)
        lane.proven = lane.proven or terms.proven or self._claims.is_proven(lane)
        self._ask(lane, lambda: self._sweep(lane))
        return True

    def new_terms(self, lane: Lane) -> None:
        """Another plan is in force: perhaps another credential, perhaps what was wrong is mended."""
        if lane.destination_id is None:
            return
        terms = self._parts.plans.terms(lane.account_sid, lane.destination_id)
        if terms == lane.terms and lane.store is not None:
            return
        lane.terms = terms
        if lane.state is not LaneState.CHECKING:
            lane.drop_client()
        if lane.state is LaneState.HELD:
            if lane.error is not None and lane.error.code == Reason.NO_PLAN and _unusable(terms, live=True) is None:
                self._recovered(lane)
            else:
                lane.probes, lane.probe_at = 0, self._clock.monotonic()
        elif lane.state is LaneState.DENIED:
            lane.confirmed_at = None

    def confirmed_lately(self, lane: Lane) -> bool:
        """Never where recordings would be deleted: the rights may have been mended since then."""
        policies = (self._parts.plans.policy(lane.account_sid, product) for product in Product)
        if any(policy.fatal_error_policy is FatalErrorPolicy.DELETE for policy in policies):
            return False
        return lane.confirmed_at is not None and self._clock.monotonic() - lane.confirmed_at < LATELY

    # Holding and probing.

    def hold(self, lane: Lane, error: EntryError) -> None:
        """Hold the destination with all its recordings. Raises JournalError."""
        if lane.state is not LaneState.HELD or lane.error != error:
            level = logging.INFO if error.code == Reason.NO_PLAN else logging.ERROR
            log.log(level, "%s is held: %s", lane.url or lane.destination_id or "media storage", error.message)
        fresh = lane.state is not LaneState.HELD
        lane.state, lane.error = LaneState.HELD, error
        if fresh:
            self._schedule_probe(lane)
        self._scheduler.hold(lane)

    def probe(self, lane: Lane) -> None:
        """Ask whether a held destination works again."""
        lane.probe_at = None
        if lane.destination_id is None:
            self._recovered(lane)  # only a recording can tell
            return

        def ask() -> Callable[[], None]:
            self._parts.source.refresh(timeout=LOOK_UP)  # what was wrong may have been mended there
            terms = self._terms(lane)
            error = _unusable(terms, live=self._parts.plans.live)
            if error is not None or terms is None:
                return lambda: self._in_vain(lane, error)
            failure = self._verify(terms)
            if failure is None:
                return lambda: self._recovered(lane)
            return lambda: self._in_vain(lane, error_of(failure))

        self._ask(lane, ask)

    def _recovered(self, lane: Lane) -> None:
        if lane.state is not LaneState.HELD:
            return
        log.info("%s works again", lane.url or lane.destination_id or "media storage")
        self._scheduler.release(lane)
        lane.drop_client()
        # Probed more slowly should it be held again before anything was stored: the probe does not see what is wrong.
        lane.state, lane.error, lane.probes = LaneState.OK, None, lane.probes + 1
        lane.fresh_credential = False
        lane.hungry = True

    def _in_vain(self, lane: Lane, error: EntryError | None) -> None:
        if lane.state is not LaneState.HELD:
            return
        if error is not None and error != lane.error:
            log.error("%s is still held: %s", lane.url or lane.destination_id, error.message)
            lane.error = error
        lane.probes += 1
        self._schedule_probe(lane)

    def _schedule_probe(self, lane: Lane) -> None:
        if lane.error is not None and lane.error.code in _WAITS_FOR_PLAN:
            lane.probe_at = None  # only another plan can mend it
            return
        first, most = FIRST_PROBE / 2, MOST_PROBE / 2
        steady = min(most, first * 2.0 ** min(lane.probes, 30))
        jitter = full_jitter(lane.probes + 1, uniform=random.uniform, first=first, most=most)
        lane.probe_at = self._clock.monotonic() + steady + jitter

    # A refused credential.

    def refresh(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        """Look the credential up afresh; the recordings wait for what comes of it."""
        lane.limbo += outcomes
        if lane.state is LaneState.CHECKING:
            return
        lane.state = LaneState.CHECKING

        def ask() -> Callable[[], None]:
            self._parts.source.refresh(timeout=LOOK_UP)
            return lambda: self._refreshed(lane)

        self._ask(lane, ask)

    def _refreshed(self, lane: Lane) -> None:
        terms = self._terms(lane)
        limbo = list(lane.limbo)
        refused = {id(outcome.credential): outcome.credential for outcome in limbo}.values()
        lane.fresh_credential = True
        if terms is not None and terms.credential is not None and terms.credential not in refused:
            log.info("%s: another credential was found, it is tried", lane.url)
            outcomes = [Outcome(outcome.task) for outcome in limbo]
        else:
            outcomes = list(limbo)
        lane.state = LaneState.OK
        lane.drop_client()
        self._settle(lane, outcomes, confirmation=Confirmation.PENDING)

    # Denied access.

    def confirm(self, lane: Lane, outcomes: Sequence[Outcome]) -> None:
        """Have the verify sequence say whether the destination denies everything; the recordings wait for it."""
        lane.limbo += outcomes
        if lane.state is LaneState.CHECKING:
            return
        lane.state = LaneState.CHECKING

        def ask() -> Callable[[], None]:
            terms = self._terms(lane)
            if terms is None or terms.credential is None:
                failure: S3Failure | None = S3Failure(
                    FailureClass.HOLD, code=Reason.NO_CREDENTIAL.value, message="there is no credential any more"
                )
            else:
                failure = self._verify(terms)
            return lambda: self._confirmed(lane, failure, asked=terms)

        self._ask(lane, ask)

    def _confirmed(self, lane: Lane, failure: S3Failure | None, *, asked: DestinationTerms | None) -> None:
        limbo = list(lane.limbo)
        if failure is not None and self._terms(lane) != asked:  # another credential has come meanwhile: it is tried
            lane.state, lane.error = LaneState.OK, None
            lane.drop_client()
            self._settle(lane, [Outcome(one.task) for one in limbo], confirmation=Confirmation.PENDING)
        elif failure is not None and failure.kind is FailureClass.FATAL:
            lane.state, lane.error = LaneState.DENIED, error_of(failure)
            lane.confirmed_at = self._clock.monotonic()
            self._scheduler.end_denied(lane, limbo)
            lane.limbo = []
            lane.hungry = True
        elif failure is None:
            lane.state, lane.error = LaneState.OK, None
            self._settle(lane, limbo, confirmation=Confirmation.PASSED)
        else:
            lane.state, lane.error = LaneState.OK, None
            outcomes = [Outcome(one.task, one.credential, failure=failure) for one in limbo]
            self._settle(lane, outcomes, confirmation=Confirmation.PENDING)

    def _settle(self, lane: Lane, outcomes: Sequence[Outcome], *, confirmation: Confirmation) -> None:
        """Settle all that was in limbo; settling may put some of it there again, for another question."""
        waited, lane.limbo = lane.limbo, []
        try:
            self._scheduler.settle(lane, outcomes, confirmation=confirmation)
        except JournalError:
            lane.limbo = waited
            raise
        lane.hungry = True

    # Asking.

    def _terms(self, lane: Lane) -> DestinationTerms | None:
        assert lane.destination_id is not None
        return self._parts.plans.terms(lane.account_sid, lane.destination_id)

    def _verify(self, terms: DestinationTerms) -> S3Failure | None:
        try:
            answer = self._parts.connections.verify(terms)
        except S3Failure as failure:
            return failure
        if answer.failure is not None:
            answer.failure.message = answer.message or answer.failure.message
        return answer.failure

    def _sweep(self, lane: Lane) -> Callable[[], None]:
        if lane.store is not None:
            sweep(lane, lane.store, journal=self._parts.journal)
        return _nothing

    def _ask(self, lane: Lane, ask: Callable[[], Callable[[], None]]) -> None:
        self.asking += 1

        def run() -> None:
            try:
                answer = ask()
            except BaseException:
                self._scheduler.post(self._asked)
                raise
            self._scheduler.post(lambda: self._answered(answer))

        threading.Thread(target=run, name=f"doctor-{lane.destination_id or 'media'}", daemon=True).start()

    def _answered(self, answer: Callable[[], None]) -> None:
        answer()
        self._asked()

    def _asked(self) -> None:
        self.asking -= 1


def _nothing() -> None:
    """An answer that changes nothing."""


def _reason(code: Reason, message: str) -> EntryError:
    return EntryError(FailureClass.HOLD.value, code.value, message)


def _unusable(terms: DestinationTerms | None, *, live: bool) -> EntryError | None:
    """Why nothing may be sent under these terms."""
    if not live and (terms is None or terms.credential is None):
        return _reason(Reason.NO_PLAN, "the settings store has not given its credential yet; it waits for that")
    if terms is None:
        return _reason(Reason.NO_CREDENTIAL, "the plan does not name this destination any more")
    if terms.encryption is not None:
        return _reason(
            Reason.ENCRYPTION_UNAVAILABLE,
            "the destination wants encryption, which this version does not have; nothing is sent in clear instead",
        )
    if terms.credential is None:
        return _reason(Reason.NO_CREDENTIAL, "there is no credential for this destination: create one and enable it")
    return None
