"""What the journal has to tell a reporter, and what follows when it has been told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.core.recording import EntryError
from recording_storage.uploader.journal import records, transitions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Sequence

    from recording_storage.uploader.core.ports import Clock, Refusal
    from recording_storage.uploader.core.recording import Recording
    from recording_storage.uploader.journal.database import Journal

log = logging.getLogger(__name__)
_S = RecordingState


class JournalOutbox:
    """The port `Outbox`."""

    def __init__(self, journal: Journal, *, clock: Clock, reported: Callable[[Sequence[Recording]], None]) -> None:
        """Take the journal, and who is handed the recordings that are reported: their files may go."""
        self._journal = journal
        self._clock = clock
        self._reported = reported

    def pending(self, limit: int, *, without: Collection[str] = ()) -> Sequence[Recording]:
        excluded = list(without)
        marks = ",".join("?" * len(excluded))
        return self._journal.run(
            lambda connection: records.select(
                connection,
                f"r.told_seq < r.seq AND r.account_sid <> '' AND r.account_sid NOT IN ({marks})",
                excluded,
                tail=f"ORDER BY r.changed_at LIMIT {int(limit)}",
            )
        )

    def stored(self, limit: int) -> Sequence[Recording]:
        return self._journal.run(
            lambda connection: records.select(
                connection,
                f"r.{records.OPEN_SQL} AND r.state = 'stored' AND r.told_seq < r.seq",
                tail=f"ORDER BY r.id LIMIT {int(limit)}",
            )
        )

    def taken(self, recordings: Sequence[Recording]) -> None:
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> list[Recording]:
            done = transitions.report(connection, [one for one in recordings if one.state is _S.STORED], now=now)
            ids = {one.id for one in done}  # which notes that they are told, too
            transitions.set_told(connection, [one for one in recordings if one.id not in ids])
            return done

        moved = self._journal.run(work)
        fault_point("after-reported")
        if moved:
            self._reported(moved)

    def outrun(self, newest: Sequence[tuple[Recording, int]]) -> None:
        self._journal.run(
            lambda connection: connection.executemany(
                "UPDATE recordings SET seq = max(seq, ?) + 1 WHERE id = ?", [(seq, one.id) for one, seq in newest]
            )
        )

    def refused(self, refusals: Sequence[Refusal]) -> None:
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> None:
            for one in refusals:
                error = EntryError(FailureClass.FILE.value, one.code, one.message)
                found = records.select(connection, "r.sid = ? AND r.account_sid = ?", (one.sid, one.account_sid))
                stored = [records.Change(r, _S.PARKED, error=error) for r in found if r.state is _S.STORED]
                transitions.apply(connection, stored, now=now)
                connection.execute(
                    "UPDATE recordings SET told_seq = CASE WHEN state = 'parked' THEN seq ELSE max(told_seq, ?) END"
                    " WHERE sid = ? AND account_sid = ?",
                    (one.seq, one.sid, one.account_sid),
                )
                # what waits for a plan is found by its error when the plan comes
                connection.execute(
                    "UPDATE recordings SET error_kind = ?, error_code = ?, error_message = ?"
                    " WHERE sid = ? AND account_sid = ? AND NOT (state = 'waiting' AND pinned = 0)",
                    (error.kind, error.code, error.message, one.sid, one.account_sid),
                )

        self._journal.run(work)
        for one in refusals:
            log.error("the report of %s was refused, its file stays: %s", one.sid, one.message)
