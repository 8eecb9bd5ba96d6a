"""Large files to many accounts: one that hangs keeps nobody waiting, and what they needed is let go afterwards."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.s3.probe import PROBE_NAME
from recording_storage.uploader.scheduler import idle_resources
from recording_storage.uploader.transfer import part_pool
from recording_storage.uploader.transfer.resume import PART_SIZE
from tests.field.account_spool import AccountSpool
from tests.field.actions import stall
from tests.field.exchange import Operation
from tests.field.server import FieldServer
from tests.uploader.spools import MIB, FakeClock, Running
from tests.uploader.store_link.fake_store import FakeStore
from tests.waiting import eventually

S = RecordingState
ACCOUNTS = 5
LARGE = 2 * PART_SIZE + MIB
"""Bytes: three parts."""


@pytest.fixture
def accounts(field: FieldServer, tmp_path: Path) -> Iterator[AccountSpool]:
    store = FakeStore()
    spool = AccountSpool(tmp_path / "spool", store)
    for _ in range(ACCOUNTS):
        spool.add(field.bucket())
    yield spool
    store.close()


def clients(running: Running) -> int:
    return sum(lane.store is not None for lane in running.uploader.scheduler.lanes.values())


def pass_a_rest(clock: FakeClock, running: Running) -> None:
    """Long enough for destinations to be seen at rest, and to be let go."""
    lanes = running.uploader.scheduler.lanes
    clock.advance(idle_resources.EVERY)
    eventually(
        lambda: all(lane.at_rest_since is not None for lane in lanes.values()), what="every destination is at rest"
    )
    clock.advance(idle_resources.REST)


def test_a_destination_that_hangs_keeps_no_large_file_of_another_waiting(
    field: FieldServer, accounts: AccountSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_pool, "SHARED", 2 * PART_SIZE)
    (hung, bucket), *_ = accounts.buckets.items()
    go_on = threading.Event()
    field.on(
        Operation.PART,
        stall(go_on),
        when=lambda exchange: exchange.bucket == bucket.name and PROBE_NAME not in exchange.key,
    )
    for account in accounts.buckets:
        accounts.put(account, "call.mkv", LARGE)
    clock = FakeClock()
    with accounts.running(clock=clock) as running:
        pool = running.uploader.scheduler.part_pool
        try:
            running.await_states({n: S.UPLOADING if n.startswith(hung) else S.STORED for n in accounts.contents})
            assert PART_SIZE <= pool.size <= 3 * PART_SIZE
        finally:
            go_on.set()
        accounts.await_released()
        clock.advance(idle_resources.EVERY)
        eventually(lambda: pool.size == 0, what="no buffer is kept")
    accounts.check_all_stored()


def test_destinations_at_rest_let_go_of_their_clients_and_store_again(accounts: AccountSpool) -> None:
    for account in accounts.buckets:
        accounts.put(account, "call.wav", 3_000)
    clock = FakeClock()
    with accounts.running(clock=clock) as running:
        accounts.await_released()
        assert clients(running) == ACCOUNTS
        pass_a_rest(clock, running)
        eventually(lambda: clients(running) == 0, what="no client is kept")
        assert len(running.uploader.scheduler.lanes) == ACCOUNTS, "they are in the plan: status tells of them"
        once_more, *_ = accounts.buckets
        accounts.put(once_more, "another.wav", 3_000)
        running.uploader.intake.rescan()
        accounts.await_released()
        assert clients(running) == 1
    accounts.check_all_stored()


def test_a_destination_that_no_plan_names_any_more_goes(field: FieldServer, accounts: AccountSpool) -> None:
    account, *_ = accounts.buckets
    accounts.put(account, "call.wav", 3_000)
    clock = FakeClock()
    with accounts.running(clock=clock) as running:
        accounts.await_released()
        lanes = running.uploader.scheduler.lanes
        (former,) = lanes
        there = (account, accounts.lead(account, field.bucket()))
        eventually(lambda: there[1] in running.uploader.plans.plan(account).destinations, what="the plan names it")
        accounts.put(account, "another.wav", 3_000)
        running.uploader.intake.rescan()
        accounts.await_released()
        assert set(lanes) == {former, there}
        pass_a_rest(clock, running)
        eventually(lambda: set(lanes) == {there}, what="only it is left")
