"""What has to be done now and then: running time, retry windows, old rows, the volume's space."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from recording_storage.domain.amounts import counted
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.journal import group_transitions, meta
from recording_storage.uploader.scheduler.backlog import park_expired
from recording_storage.uploader.spool.filesystem import space

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from recording_storage.uploader.scheduler.dependencies import Parts
    from recording_storage.uploader.scheduler.destination import Lane

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two rounds, so also what a crash can take from the running time."""
PURGE_EVERY = 3600.0
KEEP_FINAL = 24 * 3600.0
"""Seconds that released and deleted recordings stay in the journal, for whoever asks."""
KEEP_UNTOLD = 30 * 24 * 3600.0
"""The same for those that the store has not heard the end of, or that have left a multipart upload to be aborted."""
PURGED_AT_ONCE = 2000
"""Rows in one transaction: others wait for it."""
LOW_SPACE = ((0.03, logging.CRITICAL), (0.10, logging.WARNING))
"""Free share of the volume, and how loudly it is told."""


class Maintenance:
    """Used by the scheduler's thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._base = 0.0
        self._since = parts.clock.monotonic()
        self._purge_at = self._since
        self._told_level = 0
        self.note_space: Callable[[int], None] = lambda _free: None
        """Is told the volume's free bytes now and then."""
        self.remove_again: Callable[[], None] = lambda: None
        """Has files that could not be removed tried again, where it is time."""
        self.next_at = self._since + EVERY
        """Monotonic."""

    def load(self) -> None:
        """Go on with the running time of earlier processes. Raises JournalError."""
        self._base = self._parts.journal.run(meta.running_time)

    def running_time(self) -> float:
        """Seconds that uploaders of this spool have run; what retry windows are counted in."""
        return self._base + self._clock.monotonic() - self._since

    def save(self) -> None:
        from recording_storage.uploader.journal.database import JournalError  # noqa: PLC0415 - only at the end

        try:
            running = self.running_time()
            self._parts.journal.run(lambda connection: meta.set_running_time(connection, running))
        except JournalError as error:
            log.debug("the running time was not saved: %s", error)

    def run(self, lanes: Iterable[Lane]) -> None:
        """A round, when it is due. Raises JournalError."""
        now = self._clock.monotonic()
        if now < self.next_at:
            return
        self.next_at = now + EVERY
        running = self.running_time()
        lanes = list(lanes)

        def work(connection: sqlite3.Connection) -> int:
            meta.set_running_time(connection, running)
            moment, plans = self._clock.now(), self._parts.plans
            for lane in lanes:
                park_expired(connection, lane, plans=plans, state=RecordingState.HELD, running=running, now=moment)
            return group_transitions.mend_retry_times(connection, now=moment)

        mended = self._parts.journal.run(work)
        if mended:
            log.info("the clock was set back: %s tried again now", counted(mended, "recording"))
            for lane in lanes:
                lane.hungry = True
        if now >= self._purge_at:
            self._purge_at = now + PURGE_EVERY
            self._purge(self._clock.now())
        self.remove_again()
        self._look_at_space()

    def _purge(self, now: float) -> None:
        untold_too = not self._parts.reporter.tells_ends  # nobody is ever going to hear of it
        for age, every in ((KEEP_FINAL, False), (KEEP_UNTOLD, True)):
            purge = partial(
                group_transitions.purge,
                before=now - age,
                untold_too=untold_too or every,
                unswept_too=every,
                limit=PURGED_AT_ONCE,
            )
            while self._parts.journal.run(purge) == PURGED_AT_ONCE:
                pass

    def _look_at_space(self) -> None:
        found = space(self._parts.spool.root)
        if found is None:
            return
        self.note_space(found[0])
        share = found[0] / found[1] if found[1] else 1.0
        level = next((level for limit, level in LOW_SPACE if share < limit), 0)
        if level > self._told_level:
            log.log(level, "the spool's volume has %d MiB left (%.1f %%)", found[0] >> 20, share * 100)
        self._told_level = level
