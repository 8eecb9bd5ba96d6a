"""An uploader that starts again pins to what is in force now, not to what was in force when it ended."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recording_storage.domain.states import Product
from recording_storage.protocol.base import Secret
from recording_storage.protocol.plan import AccountPlan, CredentialPlan, DestinationPlan, ProductPlan
from recording_storage.protocol.sync import AssignmentState, SpoolAssignment
from recording_storage.uploader.app import Options, Uploader
from recording_storage.uploader.core.plans import Standing
from recording_storage.uploader.core.ports import Clock
from recording_storage.uploader.core.recording import Reason, Recording
from recording_storage.uploader.journal.pinning import STALE_PLAN_AFTER
from recording_storage.uploader.spool.folder import Spool, SpoolLock
from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.servers import S3Server
from tests.uploader.spools import FakeClock, Running
from tests.uploader.store_link.conftest import ACCOUNT
from tests.uploader.store_link.fake_store import FakeStore
from tests.waiting import SOON, eventually

BEFORE, NOW = "b" * 32, "a" * 32
"""Destinations."""


class Customer:
    """A bucket with a folder for each destination, a store that says which is in force, a spool."""

    def __init__(self, folder: Path, *, bucket: Bucket, store: FakeStore) -> None:
        self.bucket = bucket
        self.store = store
        self.root = folder / "spool"
        self.root.mkdir()
        self._token = folder / "token"
        self._token.write_text(store.token)

    def in_force(
        self, destination: str | None, *, revision: int, products: tuple[Product, ...] = tuple(Product)
    ) -> None:
        known = {each: self._destination(each) for each in (BEFORE, NOW)}
        self.store.set_plan(
            AccountPlan(
                account_sid=ACCOUNT,
                revision=revision,
                products={product: ProductPlan(destination_id=destination) for product in products},
                destinations=known,
            )
        )

    def _destination(self, number: str) -> DestinationPlan:
        who, server = self.bucket.credentials, self.bucket.server
        return DestinationPlan(
            id=number,
            endpoint=server.endpoint,
            bucket=self.bucket.name,
            prefix=f"{self.bucket.prefix}{number[0]}/",
            region=server.region,
            allow_http=True,
            allow_private=True,
            key_template="{recording_sid}-{source_name}{ext}",
            credential=CredentialPlan(
                sid="CR" + "2" * 32, access_key_id=who.access_key, secret_access_key=Secret(who.secret_key)
            ),
        )

    def stored(self) -> list[str]:
        """What is in the bucket: folder and the file's name."""
        keys = self.bucket.keys()
        return sorted(re.sub(r"RE[0-9a-f]{32}-", "", key.removeprefix(self.bucket.prefix)) for key in keys)

    def record(self, name: str) -> None:
        (self.root / name).write_bytes(name.encode())
        (self.root / f"{name}.done").touch()

    @contextmanager
    def locked(self) -> Iterator[Spool]:
        spool = Spool(self.root)
        spool.make_folder()
        lock = SpoolLock(spool)
        lock.acquire()
        spool.prepare()
        try:
            yield spool
        finally:
            lock.release()

    def uploader(self, spool: Spool, *, clock: Clock | None = None, **more: Any) -> Uploader:
        options = Options(spool=self.root, store_url=self.store.url, token_file=self._token, grace=5.0, **more)
        return Uploader(options, spool=spool, clock=clock)

    @contextmanager
    def running(self, *, clock: Clock | None = None, **more: Any) -> Iterator[Running]:
        with self.locked() as spool:
            uploader = self.uploader(spool, clock=clock, **more)
            uploader.start()
            try:
                yield Running(uploader)
            finally:
                uploader.close()

    def has_stored_before(self) -> None:
        """One recording under the plan that the journal knows from then on."""
        self.in_force(BEFORE, revision=1)
        with self.running() as running:
            self.record("first.wav")
            running.await_states({"first.wav": "released"})
        assert self.stored() == ["b/first.wav"]

    def answer(self, *, hangs: bool = False, status: int | None = None) -> None:
        with self.store.changed:
            self.store.hangs, self.store.fail_with = hangs, status
            self.store.changed.notify_all()


@pytest.fixture
def customer(tmp_path: Path, moto_server: S3Server, fake_store: FakeStore) -> Iterator[Customer]:
    made = Customer(tmp_path, bucket=create_bucket(moto_server), store=fake_store)
    yield made
    made.answer()


def waiting(running: Running, name: str, *, code: Reason = Reason.NO_PLAN) -> Recording:
    """The recording, once it waits for that reason."""

    def look() -> Recording | None:
        one = running.recordings().get(name)
        return one if one is not None and one.error is not None and one.error.code == code else None

    one = eventually(look, what=f"{name} waits, {code}")
    assert one is not None
    assert one.state == "waiting"
    return one


def test_settings_that_changed_while_it_was_away_count_for_what_comes_now(customer: Customer) -> None:
    customer.has_stored_before()
    customer.in_force(NOW, revision=2)
    customer.record("while-away.wav")

    with customer.running() as running:
        customer.record("after.wav")
        running.await_states({"while-away.wav": "released", "after.wav": "released"})

    assert customer.stored() == ["a/after.wav", "a/while-away.wav", "b/first.wav"]


@pytest.mark.parametrize("trouble", [401, 403, 429, 500, 503, "hangs"])
def test_what_is_no_answer_of_the_store_puts_no_plan_in_force(customer: Customer, trouble: int | str) -> None:
    customer.has_stored_before()
    customer.in_force(NOW, revision=2)
    customer.answer(hangs=trouble == "hangs", status=trouble if isinstance(trouble, int) else None)

    with customer.running() as running:
        customer.record("second.wav")
        one = waiting(running, "second.wav")
        assert (one.pinned, one.destination_id) == (False, None)
        assert running.uploader.link_state().plan == Standing.AWAITED
        customer.answer()
        running.uploader.parts.source.refresh(timeout=SOON)
        running.await_states({"second.wav": "released"})

    assert customer.stored() == ["a/second.wav", "b/first.wav"]


@pytest.mark.parametrize("after", [9.0, 360.0])
def test_a_store_that_comes_late_is_believed_all_the_same(
    customer: Customer, after: float, caplog: pytest.LogCaptureFixture
) -> None:
    """After 9 s, and after 6 min: when the plan of before already serves."""
    customer.has_stored_before()
    customer.in_force(NOW, revision=2)
    customer.answer(status=503)
    clock = FakeClock()

    with caplog.at_level(logging.WARNING), customer.running(clock=clock) as running:
        customer.record("early.wav")
        waiting(running, "early.wav")
        clock.advance(after)
        if after > STALE_PLAN_AFTER:
            eventually(lambda: running.recordings()["early.wav"].destination_id, what="the plan of before serves")
            early = running.recordings()["early.wav"]
            assert (early.destination_id, early.pinned) == (BEFORE, False), "noted, and no more"
            assert early.error is not None
            assert "revision 1 of its plan serves" in early.error.message
            assert running.uploader.link_state().plan == Standing.JOURNALLED
            assert "the plans of before serve until it does" in caplog.text
        customer.record("late.wav")
        waiting(running, "late.wav")
        customer.answer()
        running.uploader.parts.source.refresh(timeout=SOON)
        found = running.await_states({"early.wav": "released", "late.wav": "released"})

    assert {found[name].destination_id for name in ("early.wav", "late.wav")} == {NOW}
    assert customer.stored() == ["a/early.wav", "a/late.wav", "b/first.wav"]


def test_the_plan_of_before_never_serves_if_it_is_not_to(customer: Customer) -> None:
    customer.has_stored_before()
    customer.answer(status=503)
    clock = FakeClock()

    with customer.running(clock=clock, stale_plan_after=float("inf")) as running:
        customer.record("second.wav")
        waiting(running, "second.wav")
        clock.advance(30 * 86400.0)
        customer.record("third.wav")
        assert waiting(running, "third.wav").destination_id is None
        assert running.uploader.scheduler.pinning.due_at is None
        assert running.uploader.link_state().plan == Standing.AWAITED


def test_once_waits_for_the_first_answer(customer: Customer) -> None:
    customer.has_stored_before()
    customer.in_force(NOW, revision=2)
    customer.record("second.wav")
    customer.answer(hangs=True)
    left: list[bool] = []

    with customer.locked() as spool:
        uploader = customer.uploader(spool, once=True)
        working = threading.Thread(target=lambda: left.append(not uploader.run(threading.Event())))
        working.start()
        waiting(Running(uploader), "second.wav")
        customer.answer()
        working.join(20)

    assert left == [False]
    assert customer.stored() == ["a/second.wav", "b/first.wav"]


def test_what_was_pinned_before_the_restart_keeps_its_pin(customer: Customer, moto_server: S3Server) -> None:
    customer.has_stored_before()
    lost = customer._destination(BEFORE).replace(credential=None)
    plan = customer.store.plans[ACCOUNT]
    customer.store.set_plan(plan.replace(revision=2, destinations={BEFORE: lost}))
    with customer.running() as running:
        running.uploader.parts.source.refresh(timeout=SOON)
        customer.record("pinned.wav")
        assert running.await_states({"pinned.wav": "held"})["pinned.wav"].pinned
    customer.in_force(NOW, revision=3)
    before = len(customer.store.syncs)

    with customer.running() as running:
        customer.record("new.wav")
        running.await_states({"pinned.wav": "released", "new.wav": "released"})

    assert customer.stored() == ["a/new.wav", "b/first.wav", "b/pinned.wav"]
    anew = [each for each in customer.store.syncs[before:] if not each.known]
    assert len(anew) <= 5, "a probe asks for the plan, and the answer leads to no other probe"


def test_a_running_uploader_pins_by_the_plan_at_hand_when_it_loses_the_store(customer: Customer) -> None:
    customer.in_force(BEFORE, revision=1)
    with customer.running() as running:
        eventually(lambda: running.uploader.plans.live, what="the first exchange")
        customer.answer(status=503)
        customer.record("a.wav")
        running.await_states({"a.wav": "stored"})
        customer.answer()


def test_a_product_without_settings_waits_until_it_has_some(customer: Customer) -> None:
    customer.in_force(NOW, revision=1, products=(Product.VIDEO,))
    with customer.running() as running:
        customer.record("call.wav")
        one = waiting(running, "call.wav", code=Reason.NO_SETTINGS)
        assert one.account_sid == ACCOUNT, "so that the store is told of it"
        report = eventually(lambda: customer.store.syncs[-1].report.without_settings, what="the store is told")
        assert report == {ACCOUNT: {Product.VOICE: 1}}
        customer.in_force(NOW, revision=2)
        running.await_states({"call.wav": "released"})
    assert customer.stored() == ["a/call.wav"]


def test_a_spool_that_is_not_assigned_waits_and_the_journal_keeps_its_account(customer: Customer) -> None:
    customer.store.assign(None)
    customer.record("call.wav")
    with customer.running() as running:
        one = waiting(running, "call.wav", code=Reason.NO_SPOOL_CONFIG)
        assert (one.account_sid, one.pinned) == ("", False)
        assert not running.uploader.link_state().assigned
        with customer.store.changed:  # of two accounts, and it is the assignment that says which
            customer.store.plans["AC" + "9" * 32] = AccountPlan(
                account_sid="AC" + "9" * 32, revision=1, products={}, destinations={}
            )
            customer.store.assignment = SpoolAssignment(state=AssignmentState.ASSIGNED, account_sid=ACCOUNT)
        customer.in_force(NOW, revision=1)
        running.await_states({"call.wav": "released"})
        assert running.uploader.link_state().assigned
    assert customer.stored() == ["a/call.wav"]
    customer.answer(status=503)
    customer.record("later.wav")
    with customer.running() as running:
        assert waiting(running, "later.wav").account_sid == ACCOUNT
