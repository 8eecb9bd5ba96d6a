"""The exchange with the store: plans, commands, reconnecting, asking afresh."""

import threading
from collections.abc import Iterator, Mapping, Sequence

import pytest

from recording_storage.protocol.plan import AccountPlan
from recording_storage.protocol.sync import Command, CommandKind, SpoolAssignment, SpoolReport
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.store_link import sync as sync_module
from recording_storage.uploader.store_link.api import StoreApi
from recording_storage.uploader.store_link.http import StoreAddress
from recording_storage.uploader.store_link.sync import StoreSync
from tests.uploader.store_link.conftest import ACCOUNT, SPOOL_ID, account_plan, spool_report
from tests.uploader.store_link.fake_store import FakeStore, command_id
from tests.waiting import SOON, eventually


class Scheduler:
    """What the hooks are for; remembers what it was told and lets a test wait for it."""

    def __init__(self) -> None:
        self.told = threading.Condition()
        self.taken: list[Mapping[str, AccountPlan]] = []
        self.assignments: list[SpoolAssignment | None] = []
        self.done: dict[str, Command] = {}
        self.executions: list[str] = []
        self.journal_full = False

    def report(self) -> SpoolReport:
        revisions = {a: p.revision for a, p in self.taken[-1].items()} if self.taken else {}
        return spool_report().replace(applied_revisions=revisions)

    def plans(self, plans: Mapping[str, AccountPlan], *, assignment: SpoolAssignment | None) -> None:
        with self.told:
            self.assignments.append(assignment)
            self.taken.append(plans)
            self.told.notify_all()

    def commands(self, commands: Sequence[Command]) -> Mapping[str, int | None]:
        with self.told:
            if self.journal_full:
                raise JournalError("the journal takes no change: disk full")
            for command in commands:
                if command.id not in self.done:
                    self.done[command.id] = command
                    self.executions.append(command.id)
            self.told.notify_all()
        return dict.fromkeys((command.id for command in commands), 2)

    def wait_until(self, condition, *, seconds: float = SOON) -> None:
        with self.told:
            assert self.told.wait_for(condition, seconds), "the scheduler wasn't told in time"


ENDLESS = 3600.0
"""Seconds: a test that waits for that has failed."""


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch, fake_store: FakeStore) -> None:
    """A long poll ends by news, or because somebody ends it, and never by itself before the test has given up."""
    monkeypatch.setattr(sync_module, "LONG_POLL", SOON)  # the uploader itself gives up later than that
    fake_store.endless = True


@pytest.fixture
def sync(fake_address: StoreAddress) -> Iterator[StoreSync]:
    sync = StoreSync(lambda: StoreApi(fake_address, spool_id=SPOOL_ID))
    yield sync
    sync.close()


@pytest.mark.usefixtures("endless")
def test_a_changed_plan_reaches_the_scheduler_during_the_long_poll(
    fake_store: FakeStore, sync: StoreSync, scheduler: Scheduler
):
    fake_store.set_plan(account_plan())
    sync.start(scheduler)
    scheduler.wait_until(lambda: scheduler.taken)
    fake_store.wait_until(lambda: fake_store.syncs[-1].wait_seconds > 0)
    fake_store.set_plan(account_plan(revision=2))
    scheduler.wait_until(lambda: scheduler.taken[-1][ACCOUNT].revision == 2)
    fake_store.wait_until(lambda: fake_store.syncs[-1].report.applied_revisions == {ACCOUNT: 2})


def test_a_plan_that_is_withdrawn_is_missing_from_the_next(fake_store, sync, scheduler):
    fake_store.set_plan(account_plan())
    sync.start(scheduler)
    scheduler.wait_until(lambda: scheduler.taken and ACCOUNT in scheduler.taken[-1])
    fake_store.drop_plan(ACCOUNT)
    scheduler.wait_until(lambda: scheduler.taken[-1] == {})


def test_a_command_is_acknowledged_after_it_is_taken_and_done_once(fake_store, sync, scheduler):
    sync.start(scheduler)
    command = Command(id=command_id(), kind=CommandKind.RETRY_ALL, account_sid=ACCOUNT)
    fake_store.send_command(command)
    fake_store.wait_until(lambda: any(command.id in s.acknowledged for s in fake_store.syncs))
    fake_store.wait_until(lambda: not fake_store.commands)
    assert scheduler.executions == [command.id]


def test_a_command_that_could_not_be_journalled_is_not_acknowledged_and_comes_again(fake_store, sync, scheduler):
    scheduler.journal_full = True
    sync.start(scheduler)
    command = Command(id=command_id(), kind=CommandKind.RETRY_ALL, account_sid=ACCOUNT)
    fake_store.send_command(command)
    fake_store.wait_until(lambda: len(fake_store.syncs) >= 3)
    assert not any(s.acknowledged for s in fake_store.syncs)
    with scheduler.told:
        scheduler.journal_full = False
    fake_store.wait_until(lambda: not fake_store.commands)
    assert scheduler.executions == [command.id]


def test_a_store_that_comes_back_is_found_again(fake_store, sync, scheduler):
    fake_store.fail_with = 503
    sync.start(scheduler)
    fake_store.set_plan(account_plan())
    assert "503" in eventually(lambda: sync.error, what="the first exchange has failed")
    assert not sync.connected
    fake_store.fail_with = None
    scheduler.wait_until(lambda: scheduler.taken)
    eventually(lambda: sync.connected, what="the store answers again")
    assert sync.error == ""


def test_a_refused_token_is_told_and_mended_by_a_new_one(fake_store, fake_address, sync, scheduler):
    fake_address.token_file.write_text("wrong")
    sync.start(scheduler)
    assert "401" in eventually(lambda: sync.error, what="the token has been refused")
    assert not sync.connected
    assert "wrong" not in sync.error
    fake_address.token_file.write_text(fake_store.token)
    eventually(lambda: sync.connected, what="the new token is taken")


@pytest.mark.usefixtures("endless")
def test_asking_afresh_interrupts_the_long_poll_and_brings_every_plan_again(fake_store, sync, scheduler):
    fake_store.set_plan(account_plan())
    sync.start(scheduler)
    fake_store.wait_until(lambda: fake_store.syncs and fake_store.syncs[-1].wait_seconds > 0)
    before = len(scheduler.taken)
    assert sync.refresh(timeout=SOON)
    assert len(scheduler.taken) == before + 1


def test_asking_afresh_from_many_threads_at_once_answers_all(fake_store, sync, scheduler):
    fake_store.set_plan(account_plan())
    sync.start(scheduler)
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(sync.refresh(timeout=SOON))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 20


def test_asking_afresh_fails_at_once_while_the_store_is_down(fake_store, sync, scheduler):
    fake_store.fail_with = 503
    sync.start(scheduler)
    assert not sync.refresh(timeout=ENDLESS)


@pytest.mark.usefixtures("endless")
def test_an_urgent_report_does_not_wait_for_the_long_poll(fake_store, sync, scheduler, monkeypatch):
    monkeypatch.setattr(sync_module, "REPORT_GAP", ENDLESS)
    sync.start(scheduler)
    fake_store.wait_until(lambda: fake_store.syncs and fake_store.syncs[-1].wait_seconds > 0)
    count = len(fake_store.syncs)
    for _ in range(50):
        sync.report_soon()
    fake_store.wait_until(lambda: len(fake_store.syncs) > count)
    assert len(fake_store.syncs) == count + 1, "the others go together, later"


@pytest.mark.usefixtures("endless")
def test_closing_does_not_wait_for_the_long_poll(fake_store, sync, scheduler):
    sync.start(scheduler)
    fake_store.wait_until(lambda: fake_store.syncs and fake_store.syncs[-1].wait_seconds > 0)
    sync.close(timeout=SOON)
    assert not sync._thread.is_alive()
