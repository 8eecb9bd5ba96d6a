"""Everything that is there for a destination at once: held, tried again, ended."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recording_storage.domain.amounts import counted
from recording_storage.domain.denial import Ending
from recording_storage.domain.states import Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from recording_storage.uploader.scheduler.consequences import Consequences
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.scheduler.dispatch import Dispatch

log = logging.getLogger(__name__)


class Holds:
    """Used by the scheduler's thread. Each call raises JournalError."""

    def __init__(
        self, parts: Parts, *, dispatch: Dispatch, consequences: Consequences, running_time: Callable[[], float]
    ) -> None:
        """`running_time` gives the seconds that uploaders of this spool have run."""
        self._parts = parts
        self._dispatch = dispatch
        self._consequences = consequences
        self._running_time = running_time

    def hold(self, lane: Lane) -> None:
        """Journal that everything there for the destination is held."""
        held = self._dispatch.hold(lane, running=self._running_time())
        lane.hungry, lane.retry_due = False, None
        if lane.error is not None:
            self._consequences.note_error(lane.error.message)
        if held:
            self.end_denied(lane)

    def release(self, lane: Lane) -> None:
        """Journal that everything that waited for the destination is tried again."""
        self._consequences.works_again()
        count = self._dispatch.recovered(lane)
        lane.recovered_at = self._running_time()
        if count:
            log.info("%s tried again", counted(count, "recording"))
            self._parts.reporter.wake()

    def end_denied(self, lane: Lane) -> None:
        """End what is there for a destination whose denial has lasted, as the policy says."""
        if not lane.is_denied:
            return
        for product in Product:
            policy = self._parts.plans.policy(lane.account_sid, product)
            ending = lane.denial.ending(policy, product=product, proven=lane.proven)
            if ending is Ending.NONE:
                continue
            window = self._running_time() - policy.retry_window
            deleted = self._dispatch.end_denied(
                lane,
                product,
                delete=lane.denial.keys() if ending is Ending.DELETE else (),
                began_before=window if product is Product.VIDEO else None,
            )
            self._consequences.follow(deleted)
            lane.denial.forget(change.recording.object_key for change in deleted)
