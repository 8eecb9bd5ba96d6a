"""With a store, too: a server that vouches for nothing is used only where the plan in force says that it is trusted."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.protocol.plan import AccountPlan
from recording_storage.s3.types import Destination
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.journal.plans import journal_plans, journalled_plans
from tests.field.arena import LinkedSpool
from tests.field.integrity import Vouching
from tests.field.server import FieldServer
from tests.uploader.spools import MIB
from tests.uploader.store_link.conftest import account_plan
from tests.uploader.store_link.fake_store import FakeStore

S = RecordingState
SIZES = {"small.wav": 3_000, "large.mkv": 9 * MIB}


def any_etag(_body: bytes) -> str:
    return secrets.token_hex(16)


@pytest.fixture
def linked(field: FieldServer, tmp_path: Path) -> Iterator[LinkedSpool]:
    field.vouching = Vouching()
    store = FakeStore()
    yield LinkedSpool(tmp_path / "spool", field.bucket(etag_of=any_etag), store=store)
    store.close()


def test_what_is_held_goes_on_once_the_plan_trusts_the_server(linked: LinkedSpool) -> None:
    for name, size in SIZES.items():
        linked.put(name, size)
    with linked.running() as running:
        found = running.await_states(dict.fromkeys(SIZES, S.HELD))
        assert {one.error.code for one in found.values() if one.error is not None} == {"Unverified"}
        assert (linked.bucket.keys(), linked.bucket.uploads()) == ([], [])
        linked.apply(destination={"trust_unverified": True})
        running.await_empty(linked)
    linked.check_all_stored()


def test_a_plan_that_trusts_is_understood_and_journalled_so(tmp_path: Path) -> None:
    message = account_plan()
    (destination,) = message.destinations.values()
    trusting = destination.replace(trust_unverified=True)
    for wanted in (destination, trusting):
        sent = message.replace(destinations={wanted.id: wanted}).to_json()
        taken = AccountPlan.from_json(sent)
        journal = Journal.open(tmp_path, known_spool=True)
        journal.run(lambda connection, plans={message.account_sid: taken}: journal_plans(connection, plans))
        recalled = journal.run(journalled_plans)[message.account_sid]
        journal.close()
        for plan in (taken, recalled):
            terms = plan.destinations[wanted.id]
            assert (
                terms.trust_unverified is Destination.of(terms.location, terms).trust_unverified is (wanted is trusting)
            )


def test_a_plan_of_an_older_store_trusts_nothing() -> None:
    document = account_plan().to_values()
    for destination in document["destinations"].values():
        del destination["trust_unverified"]
        destination["credential"] = None
    (terms,) = AccountPlan.from_values(document).destinations.values()
    assert not terms.trust_unverified
