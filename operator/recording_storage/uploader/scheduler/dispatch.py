"""What the scheduler asks of the journal: work for a destination, and moves of single recordings.

Every call raises JournalError.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.object_key import KeyFields, KeyTemplate, KeyTemplateError
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.recording import EntryError, Recording
from recording_storage.uploader.journal import destinations, group_transitions, records, transitions
from recording_storage.uploader.transfer.object_metadata import object_metadata
from recording_storage.uploader.transfer.task import SINGLE_UP_TO, Task

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from recording_storage.protocol.plan import AccountPlan, DestinationPlan
    from recording_storage.uploader.core.destination_state import LaneKey
    from recording_storage.uploader.core.plans import PlanBook
    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.journal.database import Journal
    from recording_storage.uploader.scheduler.destination import Lane

_S = RecordingState


def key_fields(recording: Recording) -> KeyFields:
    """What a key template may use. The same after a journal was lost: nothing here comes from our own clock."""
    metadata = recording.metadata
    started = metadata.get("started_at")
    moment = datetime.fromisoformat(started) if started else _moment(recording.identity.mtime_ns)
    name = recording.path.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    texts = {
        field: str(metadata.get(field, ""))
        for field in ("call_sid", "conference_sid", "room_sid", "participant_sid", "source_sid", "track_name")
    }
    return KeyFields(
        recording_sid=recording.sid,
        account_sid=recording.account_sid,
        product=recording.product.value,
        ext=f".{extension}" if dot and stem else "",
        source_name=stem if dot and stem else name,
        started_at=moment,
        **texts,
    )


def _moment(mtime_ns: int) -> datetime:
    """A file's time; the beginning of POSIX time where it is none that a calendar has."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


class Dispatch:
    """Used by the scheduler's thread."""

    def __init__(self, *, journal: Journal, plans: PlanBook, clock: Clock) -> None:
        self._journal = journal
        self._plans = plans
        self._clock = clock
        self._templates: dict[str, KeyTemplate] = {}

    def recover(self) -> list[tuple[LaneKey, EntryError | None]]:
        """After a start: what was under way is found again; the destinations in use, and why one is held."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> list[tuple[LaneKey, EntryError | None]]:
            group_transitions.find_interrupted(connection)
            group_transitions.await_no_plan(connection, now=now)
            group_transitions.mend_retry_times(connection, now=now)
            for account, terms in destinations.remembered(connection):
                self._plans.remember(account, [terms])
            return destinations.in_use(connection)

        return self._journal.run(work)

    def lanes_with_work(self) -> list[LaneKey]:
        return self._journal.run(destinations.with_work)

    def claim(self, lane: Lane, *, limit: int) -> list[Task]:
        """Recordings whose turn it is, as tasks, moved to `uploading`; tells the lane when the next retry is due."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> tuple[list[Task], int]:
            found = transitions.claim(connection, lane.key, now=now, limit=limit, least_tried=lane.is_doubted)
            claimed: list[tuple[Recording, str]] = []
            for recording in found:
                try:
                    claimed.append((recording, self._key(recording, lane)))
                except KeyTemplateError as error:
                    problem = EntryError(FailureClass.FILE.value, "KeyTooLong", str(error))
                    transitions.apply(connection, [records.Change(recording, _S.PARKED, error=problem)], now=now)
            in_parts = lane.trust.goes_in_parts()
            begun = transitions.begin(
                connection,
                claimed,
                single_up_to=SINGLE_UP_TO,
                now=now,
                carried=lane.carried_by_single,
            )
            tasks = [
                Task(
                    recording._replace(
                        state=_S.UPLOADING,
                        seq=recording.seq + 1,
                        attempts=recording.attempts + 1,
                        object_key=key,
                    ),
                    key,
                    None if in_parts else attempt_id,
                    earlier,
                    object_metadata(recording, lane.terms),
                    carries=lane.carried_by_single(recording.identity.size),
                    in_parts=in_parts,
                )
                for (recording, key), (attempt_id, earlier) in zip(claimed, begun, strict=True)
            ]
            return tasks, len(found)

        tasks, count = self._journal.run(work)
        if count < limit:
            lane.hungry = False
            lane.retry_due = self._journal.run(lambda connection: destinations.next_retry(connection, lane.key))
        return tasks

    def note_retries(self, lane: Lane, made: Iterable[records.Change]) -> None:
        """Remember the earliest of the retries that were just entered."""
        for change in made:
            if change.after is _S.WAITING and change.retry_at is not None:
                lane.retry_due = min(change.retry_at, lane.retry_due or change.retry_at)

    def apply(self, changes: list[records.Change], *, proven: Lane | None = None) -> list[records.Change]:
        """Make the moves in one commit; those that were made."""
        if not changes:
            return []
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> list[records.Change]:
            made = transitions.apply(connection, changes, now=now)
            if proven is not None and proven.terms is not None:
                destinations.prove(connection, proven.key, proven.terms)
            return made

        return self._journal.run(work)

    def repin(self, plan: AccountPlan) -> int:
        """Alone, a corrected configuration counts for what was found under the wrong one, too; how many move."""
        now = self._clock.now()
        destination = next(iter(plan.destinations.values())).id
        return self._journal.run(lambda connection: group_transitions.repin(connection, destination, now=now))

    def keep_terms(self, lane: Lane, terms: DestinationPlan) -> tuple[bool, int | None]:
        """Remember where the lane leads, for a time when the plan doesn't name it any more; its `experience`."""

        def work(connection: sqlite3.Connection) -> tuple[bool, int | None]:
            destinations.keep(connection, lane.key, terms)
            return destinations.experience(connection, lane.key)

        return self._journal.run(work)

    def _key(self, recording: Recording, lane: Lane) -> str:
        if recording.object_key or lane.terms is None:
            return recording.object_key
        text = lane.terms.key_template
        template = self._templates.get(text)
        if template is None:
            template = self._templates[text] = KeyTemplate.parse(text)
        return template.render(key_fields(recording), prefix=lane.terms.prefix)
