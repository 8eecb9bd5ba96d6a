"""What the store does not know is never taken for told."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from recording_storage.domain.checksum import Checksum
from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.core.clock import SystemClock
from recording_storage.uploader.core.plans import InForce, PlanBook, Standing
from recording_storage.uploader.core.ports import Refusal
from recording_storage.uploader.core.recording import Identity, StoredFacts
from recording_storage.uploader.journal import records, transitions
from recording_storage.uploader.journal.database import Journal, JournalError
from recording_storage.uploader.journal.outbox import JournalOutbox
from recording_storage.uploader.journal.pinning import STALE_PLAN_AFTER, Pinning, pin
from recording_storage.uploader.journal.plans import journal_plans
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreAddress
from recording_storage.uploader.store_link.reports import StoreReports
from recording_storage.uploader.store_link.sync import StoreSync
from tests.uploader.store_link.conftest import ACCOUNT, SPOOL_ID, account_plan, recording
from tests.uploader.store_link.fake_store import FakeStore
from tests.uploader.store_link.test_sync import Scheduler
from tests.waiting import SOON, eventually

SID = "RE" + "7" * 32


@pytest.fixture
def journal(tmp_path: Path):
    opened = Journal.open(tmp_path, known_spool=False)
    yield opened
    opened.close()


def found_file(**fields: Any) -> records.NewRecording:
    return records.NewRecording(
        sid=SID,
        account_sid=ACCOUNT,
        product=Product.VOICE,
        path="a.wav",
        identity=Identity(1, 2, 3),
        content_type="audio/wav",
        **fields,
    )


def stored_recording(journal: Journal) -> None:
    new = found_file(pinned=True, destination_id="d" * 32)
    facts = StoredFacts("http://x/y", "e", Checksum("SHA256", "c"), "s" * 64, 2, time.time())

    def work(connection):
        records.add(connection, [new], now=1.0)
        [one] = records.select(connection, "1")
        transitions.begin(connection, [(one, "key")], single_up_to=100, now=2.0)
        [one] = records.select(connection, "1")
        transitions.apply(connection, [records.Change(one, RecordingState.STORED, stored=facts)], now=3.0)

    journal.run(work)


def state_of(journal: Journal) -> tuple[str, int, int]:
    return journal.run(lambda c: c.execute("SELECT state, seq, told_seq FROM recordings").fetchone())


def start(journal: Journal, address: StoreAddress) -> StoreReports:
    reports = StoreReports(lambda: StoreApi(address, spool_id=SPOOL_ID))
    reports.start(JournalOutbox(journal, clock=SystemClock(), reported=lambda _: None))
    reports.wake()
    return reports


def test_a_store_that_has_heard_of_later_changes_hears_of_the_location_all_the_same(
    fake_store: FakeStore, fake_address: StoreAddress, journal: Journal
) -> None:
    """The journal was lost and rebuilt: it counts from the beginning."""
    fake_store.recordings[ACCOUNT, SID] = recording(SID, seq=9, state=RecordingState.WAITING)
    stored_recording(journal)
    reports = start(journal, fake_address)
    try:
        eventually(lambda: state_of(journal)[0] == "reported", what="it is reported")
        assert fake_store.recordings[ACCOUNT, SID].state is RecordingState.STORED
        assert fake_store.recordings[ACCOUNT, SID].media_url == "http://x/y"
    finally:
        reports.close()


@pytest.mark.parametrize("status", [409, 422])
def test_a_stored_recording_whose_report_is_refused_can_be_tried_again(
    fake_store: FakeStore, fake_address: StoreAddress, journal: Journal, status: int
) -> None:
    fake_store.verdicts[SID] = status
    stored_recording(journal)
    reports = start(journal, fake_address)
    try:
        eventually(lambda: state_of(journal)[0] == "parked", what="it is parked")
        _, seq, told = state_of(journal)
        assert told == seq, "it would be told, and refused, again and again"
        assert journal.run(lambda c: transitions.retry(c, sids=None, now=time.time())) == [SID]
    finally:
        reports.close()


def test_a_refused_report_keeps_nothing_from_its_plan(journal: Journal) -> None:
    unknown = pin(InForce(standing=Standing.IN_FORCE), ACCOUNT, Product.VOICE)
    new = found_file(state=RecordingState.WAITING, error=unknown.error)
    journal.run(lambda connection: records.add(connection, [new], now=1.0))
    outbox = JournalOutbox(journal, clock=SystemClock(), reported=lambda _: None)
    outbox.refused([Refusal(account_sid=ACCOUNT, sid=SID, seq=1, code="SpoolConflict", message="no")])
    plans = PlanBook(account_sid=ACCOUNT)
    plans.replace({ACCOUNT: account_plan()})
    pinning = Pinning(journal=journal, plans=plans, clock=SystemClock(), stale_after=STALE_PLAN_AFTER)
    assert pinning.take() == 1
    assert state_of(journal)[0] == "found"


def test_a_journal_that_fails_while_a_report_is_made_does_not_end_the_exchange(
    fake_store: FakeStore, fake_address: StoreAddress
) -> None:
    class Full(Scheduler):
        full = threading.Event()
        asked = threading.Event()

        def report(self):
            if self.full.is_set():
                self.asked.set()
                raise JournalError("the journal takes no change: disk I/O error")
            return super().report()

    scheduler = Full()
    scheduler.full.set()
    fake_store.set_plan(account_plan())
    sync = StoreSync(lambda: StoreApi(fake_address, spool_id=SPOOL_ID))
    sync.start(scheduler)
    try:
        assert scheduler.asked.wait(SOON)
        scheduler.full.clear()
        scheduler.wait_until(lambda: scheduler.taken, seconds=5)
    finally:
        sync.close()


def test_a_store_whose_database_was_restored_is_told_everything_again(
    fake_store: FakeStore, fake_address: StoreAddress, journal: Journal
) -> None:
    journal.run(lambda c: journal_plans(c, {ACCOUNT: account_plan(revision=7)}))
    stored_recording(journal)
    reports = start(journal, fake_address)
    try:
        eventually(lambda: state_of(journal)[0] == "reported", what="it is reported")
        fake_store.recordings.clear()
        journal.run(lambda c: journal_plans(c, {ACCOUNT: account_plan(revision=7)}))
        assert state_of(journal)[2] > 0
        journal.run(lambda c: journal_plans(c, {ACCOUNT: account_plan(revision=5)}))
        reports.retry_now()
        eventually(lambda: (ACCOUNT, SID) in fake_store.recordings, what="the store is told")
        assert fake_store.recordings[ACCOUNT, SID].media_url == "http://x/y"
    finally:
        reports.close()
