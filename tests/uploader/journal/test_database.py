"""The journal: groups, failures, damage, schema."""

import sqlite3
import threading
from pathlib import Path

import pytest

from recording_storage.domain.states import IllegalMoveError, Product, RecordingState
from recording_storage.uploader.core.recording import EntryError, Identity, Recording
from recording_storage.uploader.journal import records, transitions
from recording_storage.uploader.journal.database import Journal, JournalError
from tests.waiting import SOON


@pytest.fixture
def journal(tmp_path: Path):
    opened = Journal.open(tmp_path, known_spool=False)
    yield opened
    opened.close()


def new(number: int) -> records.NewRecording:
    return records.NewRecording(
        sid=f"RE{number:032x}",
        account_sid="AC" + "0" * 32,
        product=Product.VOICE,
        path=f"{number}.wav",
        identity=Identity(number, 10, 1),
        content_type="audio/wav",
        pinned=True,
        destination_id="d",
    )


def test_it_is_durable_and_needs_no_shared_memory(journal: Journal, tmp_path: Path) -> None:
    settings = journal.run(
        lambda c: [
            c.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "locking_mode")
        ]
    )
    assert settings == ["wal", 2, "exclusive"]
    journal.run(lambda c: records.add(c, [new(1)], now=1.0))
    assert not (tmp_path / "journal.db-shm").exists()


def test_changes_that_gather_are_one_commit(journal: Journal) -> None:
    gate = threading.Event()
    opened_with = journal.run(lambda c: c.total_changes)
    first = journal.submit(lambda _: gate.wait(SOON))
    before = journal.submit(lambda c: c.total_changes)
    futures = [journal.submit(lambda c, n=n: records.add(c, [new(n)], now=1.0)) for n in range(100)]
    gate.set()
    assert first.result()
    assert before.result() == opened_with
    assert sorted(f.result()[0] for f in futures) == list(range(1, 101))


def test_one_that_fails_takes_nothing_from_the_others(journal: Journal) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        records.add(connection, [new(1)], now=1.0)
        raise ValueError("no")

    futures = [journal.submit(lambda c: records.add(c, [new(2)], now=1.0)), journal.submit(fails)]
    futures[0].result()
    with pytest.raises(ValueError, match="no"):
        futures[1].result()
    assert journal.run(lambda c: records.taken_sids(c, [new(1).sid, new(2).sid])) == {new(2).sid}


def test_a_full_volume_is_an_error_that_passes(journal: Journal) -> None:
    journal.run(lambda c: c.execute("PRAGMA max_page_count=1"))
    with pytest.raises(JournalError, match="full"):
        journal.run(lambda c: records.add(c, [new(n) for n in range(2000)], now=1.0))
    journal.run(lambda c: c.execute("PRAGMA max_page_count=1000000"))
    assert len(journal.run(lambda c: records.add(c, [new(1)], now=1.0))) == 1


def test_moves_that_the_table_does_not_allow_are_refused(journal: Journal) -> None:
    journal.run(lambda c: records.add(c, [new(1)], now=1.0))
    found = journal.run(lambda c: records.select(c, "1"))[0]
    with pytest.raises(IllegalMoveError):
        journal.run(lambda c: transitions.apply(c, [records.Change(found, RecordingState.RELEASED)], now=2.0))


def test_a_move_from_a_state_that_has_passed_changes_nothing(journal: Journal) -> None:
    journal.run(lambda c: records.add(c, [new(1)], now=1.0))
    found = journal.run(lambda c: records.select(c, "1"))[0]
    parked = records.Change(found, RecordingState.PARKED)
    assert len(journal.run(lambda c: transitions.apply(c, [parked], now=2.0))) == 1
    assert journal.run(lambda c: transitions.apply(c, [parked], now=3.0)) == []
    assert journal.run(lambda c: records.select(c, "1"))[0].seq == 2


def test_a_lost_journal_is_known_as_lost(tmp_path: Path) -> None:
    first = Journal.open(tmp_path, known_spool=False)
    assert not first.rebuilt
    first.close()
    (tmp_path / "journal.db").unlink()
    second = Journal.open(tmp_path, known_spool=True)
    assert second.rebuilt
    second.close()


def test_what_went_well_and_what_did_not_are_moved_together(journal: Journal) -> None:
    """Each as it is said of it: nothing is left of an earlier failure, and no other's failure is noted."""

    def found(*numbers: int) -> list[Recording]:
        return journal.run(
            lambda c: records.select(c, f"r.id IN ({','.join(map(str, numbers))})", tail="ORDER BY r.id")
        )

    journal.run(lambda c: records.add(c, [new(number) for number in range(1, 5)], now=1.0))
    begun = [(one, f"key-{one.id}") for one in found(1, 2, 3, 4)]
    journal.run(lambda c: transitions.begin(c, begun, single_up_to=-1, now=2.0))
    failed, parked = EntryError("transient", "Timeout", "no answer"), EntryError("file", "Unreadable", "no right")
    first, second, third, fourth = found(1, 2, 3, 4)
    waits = records.Change(second, RecordingState.WAITING, failed, retry_at=9.0, failures=3, failing_since=0.0)
    changes = [
        records.Change(first, RecordingState.FOUND),
        waits,
        records.Change(third, RecordingState.PARKED, parked),
        records.Change(fourth, RecordingState.FOUND),
    ]
    assert journal.run(lambda c: transitions.apply(c, changes, now=3.0)) == changes
    assert [(one.state, one.error, one.retry_at, one.failures, one.failing_since) for one in found(1, 2, 3, 4)] == [
        (RecordingState.FOUND, None, None, 0, None),
        (RecordingState.WAITING, failed, 9.0, 3, 0.0),
        (RecordingState.PARKED, parked, None, 0, None),
        (RecordingState.FOUND, None, None, 0, None),
    ]
    again = [(found(2)[0], "key-2")]
    journal.run(lambda c: transitions.begin(c, again, single_up_to=-1, now=10.0))
    back = records.Change(found(2)[0], RecordingState.FOUND)
    journal.run(lambda c: transitions.apply(c, [back], now=11.0))
    ended = found(2)[0]
    assert (ended.error, ended.retry_at, ended.failures, ended.failing_since) == (None, None, 0, None)
    assert (ended.seq, ended.changed_at) == (5, 11.0)
