"""Asking a destination something, in threads of their own: what comes of it is done in the scheduler's thread."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from recording_storage.domain.failures import FailureClass, S3Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recording_storage.domain.upload_decision import Confirmation
    from recording_storage.protocol.plan import DestinationPlan
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.transfer.task import Outcome

log = logging.getLogger(__name__)

LOOK_UP = 15.0
"""Seconds that a fresh look-up of a credential may take."""


class Settles(Protocol):
    """What health checks need of it; called in the scheduler's thread."""

    def post(self, work: Callable[[], None]) -> None:
        """From any thread: run it in the scheduler's."""

    def settle(self, lane: Lane, outcomes: Sequence[Outcome], *, confirmation: Confirmation) -> None:
        """Decide about these and journal it. Raises JournalError."""


class Prober:
    """Used by the scheduler's thread; `verify` and `terms` also where something is asked."""

    def __init__(self, parts: Parts, *, post: Callable[[Callable[[], None]], None]) -> None:
        self._parts = parts
        self._post = post
        self.asking = 0
        """Questions under way."""

    def terms(self, lane: Lane) -> DestinationPlan | None:
        """What the plan in force says of the destination."""
        assert lane.destination_id is not None
        return self._parts.plans.terms(lane.account_sid, lane.destination_id)

    def verify(self, lane: Lane, terms: DestinationPlan) -> S3Failure | None:
        """Why nothing can be stored there; None: it can, whatever other right may be missing."""
        try:
            answer = self._parts.connections.verify(terms)
        except S3Failure as failure:
            return failure
        for granted in answer.granted:
            if granted:
                lane.denial.allowed()
            else:
                lane.denial.denied(self._parts.clock.monotonic())
        if answer.failure is None:
            return None
        answer.failure.message = answer.message or answer.failure.message
        if answer.failure.kind is FailureClass.FATAL and answer.may_store:
            log.warning("%s takes recordings, though not all is granted: %s", name(lane), answer.failure.message)
            return None
        return answer.failure

    def ask(self, lane: Lane, ask: Callable[[], Callable[[], None]]) -> None:
        """Run `ask` in a thread, and what it gives in the scheduler's."""
        self.asking += 1

        def run() -> None:
            try:
                answer = ask()
            except BaseException:
                self._post(self._asked)
                raise
            self._post(lambda: self._answered(answer))

        threading.Thread(target=run, name=f"health-{lane.destination_id or 'media'}", daemon=True).start()

    def _answered(self, answer: Callable[[], None]) -> None:
        answer()
        self._asked()

    def _asked(self) -> None:
        self.asking -= 1


def name(lane: Lane) -> str:
    """How people know the destination."""
    return lane.url or lane.destination_id or "media storage"
