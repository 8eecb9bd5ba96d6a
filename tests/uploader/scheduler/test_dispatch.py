"""What the scheduler asks of the journal."""

from pathlib import Path

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.core.plans import PlanBook
from recording_storage.uploader.core.recording import EntryError, Identity, Reason
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.scheduler.dispatch import Dispatch
from tests.uploader.spools import FakeClock

S = RecordingState


def entry(number: int, *, error: EntryError, pinned: bool) -> records.NewRecording:
    return records.NewRecording(
        f"RE{number:032x}",
        "AC" + "1" * 32,
        Product.VOICE,
        f"{number}.wav",
        Identity(number, 1, 1),
        "audio/wav",
        state=S.WAITING,
        pinned=pinned,
        destination_id="d" if pinned else None,
        error=error,
    )


def test_what_has_waited_for_its_destination_s_plan_is_found_again_after_a_start(tmp_path: Path) -> None:
    """By then the plan may be there, and nothing would say so: only its coming wakes what waits for it."""
    journal = Journal.open(tmp_path, known_spool=False)
    no_plan = EntryError(FailureClass.HOLD.value, Reason.NO_PLAN.value, "no plan")
    changed = EntryError(FailureClass.FILE.value, Reason.CHANGED_WHILE_UPLOADING.value, "changed")
    entries = [
        entry(1, error=no_plan, pinned=True),
        entry(2, error=no_plan, pinned=False),  # pinning looks for those
        entry(3, error=changed, pinned=True),  # and intake for those
    ]
    journal.run(lambda connection: records.add(connection, entries, now=1.0))
    clock = FakeClock()
    Dispatch(journal=journal, plans=PlanBook(), clock=clock).recover()
    found = journal.run(lambda connection: records.select(connection, "1", tail="ORDER BY r.id"))
    assert [one.state for one in found] == [S.FOUND, S.WAITING, S.WAITING]
    assert [one.error for one in found] == [None, no_plan, changed]
    journal.close()
