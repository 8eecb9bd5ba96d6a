"""What is let go when there is nothing to do: buffers at once, clients of destinations after a while."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recording_storage.uploader.core.destination_state import LaneKey
    from recording_storage.uploader.scheduler.backlog import Backlog
    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane
    from recording_storage.uploader.transfer.part_pool import PartPool

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two looks."""
REST = 600.0
"""Seconds without work after which a destination's client goes: with the next recording it is made anew, which asks for
leftovers again."""


class IdleResources:
    """Used by the scheduler's thread."""

    def __init__(self, parts: Parts, *, pool: PartPool, backlog: Backlog) -> None:
        self._plans = parts.plans
        self._clock = parts.clock
        self._pool = pool
        self._backlog = backlog
        self._look_at = 0.0

    def look(self, lanes: dict[LaneKey, Lane]) -> None:
        """Let go of what nobody needs just now; removes lanes that nobody needs at all. Raises JournalError."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + EVERY
        self._pool.trim()
        for lane in list(lanes.values()):
            if not lane.is_at_rest:
                lane.at_rest_since = None
            elif lane.at_rest_since is None:
                lane.at_rest_since = now
            elif now - lane.at_rest_since >= REST:
                self._let_go(lane, lanes)

    def _let_go(self, lane: Lane, lanes: dict[LaneKey, Lane]) -> None:
        if lane.store is not None:
            log.debug("%s has had nothing to do for long: its connections are closed", lane.url)
            lane.drop_client()
        if self._is_former(lane) and self._backlog.is_empty(lane):
            del lanes[lane.key]

    def _is_former(self, lane: Lane) -> bool:
        """No plan in force names it: only what was pinned to it earlier still goes there."""
        if lane.destination_id is None or not self._plans.live:
            return False
        plan = self._plans.plan(lane.account_sid)
        return plan is None or lane.destination_id not in plan.destinations
