"""Reporting in groups: nothing is lost, nobody waits for somebody else's trouble."""

import threading
import time
from collections.abc import Collection, Iterator, Sequence

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.ports import Refusal
from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreAddress
from recording_storage.uploader.store_link.reports import StoreReports
from tests.uploader.store_link.conftest import ACCOUNT, SPOOL_ID, entry
from tests.uploader.store_link.fake_store import FakeStore
from tests.waiting import SOON

OTHER = "AC" + "9" * 32


class MemoryOutbox:
    """A journal in memory: by sid, what changed, what the store has, what it refused."""

    def __init__(self) -> None:
        self.told = threading.Condition()
        self.current: dict[str, Recording] = {}
        self.acknowledged: dict[str, int] = {}
        self.refusals: dict[str, Refusal] = {}

    def put(self, *items: Recording) -> None:
        with self.told:
            self.current.update({item.sid: item for item in items})

    def stored(self, limit: int) -> Sequence[Recording]:
        raise NotImplementedError

    def pending(self, limit: int, *, without: Collection[str] = ()) -> Sequence[Recording]:
        with self.told:
            return [
                item
                for item in self.current.values()
                if item.account_sid not in without
                and self.acknowledged.get(item.sid, 0) < item.seq
                and (item.sid not in self.refusals or self.refusals[item.sid].seq < item.seq)
            ][:limit]

    def taken(self, recordings: Sequence[Recording]) -> None:
        with self.told:
            self.acknowledged.update({item.sid: item.seq for item in recordings})
            self.told.notify_all()

    def refused(self, refusals: Sequence[Refusal]) -> None:
        with self.told:
            self.refusals.update({refusal.sid: refusal for refusal in refusals})
            self.told.notify_all()

    def wait_until(self, condition, *, seconds: float = SOON) -> None:
        with self.told:
            assert self.told.wait_for(condition, seconds), "the outbox wasn't told in time"


def sid(number: int) -> str:
    return f"RE{number:032x}"


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


@pytest.fixture
def reports(fake_address: StoreAddress) -> Iterator[StoreReports]:
    reports = StoreReports(lambda: StoreApi(fake_address, spool_id=SPOOL_ID))
    yield reports
    reports.close()


def test_many_recordings_go_in_few_calls(fake_store: FakeStore, outbox: MemoryOutbox, reports: StoreReports):
    outbox.put(*(entry(sid(n)) for n in range(1200)))
    reports.start(outbox)
    reports.wake()
    outbox.wait_until(lambda: len(outbox.acknowledged) == 1200)
    assert len(fake_store.batches) == 3
    assert len(fake_store.recordings) == 1200


def test_a_newer_state_follows_the_older_one(fake_store, outbox, reports):
    outbox.put(entry(sid(1)))
    reports.start(outbox)
    reports.wake()
    outbox.wait_until(lambda: outbox.acknowledged == {sid(1): 1})
    outbox.put(entry(sid(1), seq=2, state=RecordingState.UPLOADING))
    reports.wake()
    outbox.wait_until(lambda: outbox.acknowledged == {sid(1): 2})
    assert fake_store.recordings[ACCOUNT, sid(1)].state is RecordingState.UPLOADING


@pytest.mark.parametrize(("status", "code"), [(409, "SidConflict"), (422, "ReportRefused")])
def test_a_refused_recording_gets_a_clear_error_and_the_others_go_on(fake_store, outbox, reports, status, code):
    fake_store.verdicts[sid(2)] = status
    outbox.put(*(entry(sid(n)) for n in range(5)))
    reports.start(outbox)
    reports.wake()
    outbox.wait_until(lambda: len(outbox.acknowledged) == 4 and outbox.refusals)
    assert outbox.refusals[sid(2)].code == code
    assert f"refused with {status}" in outbox.refusals[sid(2)].message


def test_an_account_that_is_not_ours_waits_for_the_next_plan_without_stopping_others(fake_store, outbox, reports):
    fake_store.verdicts[sid(1)] = 403
    outbox.put(entry(sid(1), account=OTHER), entry(sid(2)))
    reports.start(outbox)
    reports.wake()
    outbox.wait_until(lambda: sid(2) in outbox.acknowledged)
    outbox.put(entry(sid(3)))
    reports.wake()
    outbox.wait_until(lambda: sid(3) in outbox.acknowledged)
    assert sid(1) not in {item.sid for item in fake_store.batches[-1].recordings}
    fake_store.verdicts.clear()
    reports.retry_now()
    outbox.wait_until(lambda: sid(1) in outbox.acknowledged)
    assert not outbox.refusals


def test_a_store_that_is_down_gets_everything_when_it_is_back(fake_store, outbox, reports):
    fake_store.fail_with = 503
    outbox.put(*(entry(sid(n)) for n in range(10)))
    reports.start(outbox)
    reports.wake()
    fake_store.fail_with = None
    reports.retry_now()
    outbox.wait_until(lambda: len(outbox.acknowledged) == 10)


def test_a_group_that_is_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(fake_store, outbox, reports):
    taking = fake_store.batch
    culprit = sid(7)

    def picky(request):
        if any(item.sid == culprit for item in request.recordings):
            raise ValueError
        return taking(request)

    fake_store.batch = picky
    outbox.put(*(entry(sid(n)) for n in range(20)))
    reports.start(outbox)
    reports.wake()
    outbox.wait_until(lambda: len(outbox.acknowledged) == 19 and culprit in outbox.refusals)


def test_a_journal_that_cannot_be_written_is_no_loss(fake_store, outbox, reports, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("recording_storage.uploader.store_link.reports.BACKOFF_FIRST", 0.05)
    full = threading.Event()
    take = outbox.taken

    def taken(recordings: Sequence[Recording]) -> None:
        if not full.is_set():
            full.set()
            raise JournalError("the journal takes no change: disk full")
        take(recordings)

    outbox.taken = taken
    outbox.put(entry(sid(1)))
    reports.start(outbox)
    reports.wake()
    outbox.wait_until(lambda: sid(1) in outbox.acknowledged)
    assert len(fake_store.batches) == 2


def test_metadata_that_cannot_be_told_is_refused_here_and_silences_nobody(fake_store, outbox, reports):
    outbox.put(entry(sid(1), metadata={"duration": "a while"}), entry(sid(2), metadata={"call_sid": "CA1"}))
    reports.start(outbox)
    reports.wake()
    outbox.wait_until(lambda: sid(2) in outbox.acknowledged and sid(1) in outbox.refusals)
    assert "duration" in outbox.refusals[sid(1)].message
    assert fake_store.recordings[ACCOUNT, sid(2)].call_sid == "CA1"


def test_what_is_left_is_told_before_the_end(fake_store, outbox, reports):
    reports.start(outbox)
    outbox.put(*(entry(sid(n)) for n in range(700)))
    reports.close()
    assert len(outbox.acknowledged) == 700


def test_a_store_that_is_down_does_not_hold_up_the_end(fake_store, outbox, reports):
    fake_store.fail_with = 503
    outbox.put(entry(sid(1)))
    reports.start(outbox)
    reports.close()
    assert not reports._thread.is_alive()


def test_accounts_that_are_bound_while_reports_go_out_end_nothing(fake_store, outbox, reports):
    """A new plan comes from another thread while the accounts that wait are gone through."""
    binders: list[threading.Thread] = []

    class Waiting(dict[str, float]):
        def items(self):
            for pair in super().items():
                binders.append(threading.Thread(target=reports.retry_now))
                binders[-1].start()
                binders[-1].join(0.2)  # it gets so far as it can
                yield pair

    outbox.put(entry(sid(1), account=OTHER), entry(sid(2)))
    pending = outbox.pending

    def first_pending(limit: int, *, without: Collection[str] = ()) -> Sequence[Recording]:
        outbox.pending = pending
        reports._unbound = Waiting({OTHER: time.monotonic() + 1000, f"AC{'8' * 32}": time.monotonic() + 1000})
        return [one for one in pending(limit, without=without) if one.account_sid != OTHER]

    outbox.pending = first_pending
    reports.start(outbox)
    reports.wake()
    outbox.wait_until(lambda: len(outbox.acknowledged) == 2)
    assert binders
