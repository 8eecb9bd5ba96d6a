"""With a store, too: a server that vouches for nothing is used only where the plan in force says that it is trusted."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.plans import Plan
from recording_storage.uploader.store_link.hooks import plan_from
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


def test_a_plan_that_trusts_is_understood_and_journalled_so() -> None:
    message = account_plan()
    (destination,) = message.destinations.values()
    trusting = destination.model_copy(update={"trust_unverified": True})
    for wanted in (destination, trusting):
        sent = message.model_copy(update={"destinations": {wanted.id: wanted}}).model_dump_json()
        taken = plan_from(type(message).model_validate_json(sent))
        recalled = Plan.from_json(taken.account_sid, 1, taken.to_json())
        for plan in (taken, recalled):
            terms = plan.destinations[wanted.id]
            assert terms.trust_unverified is terms.destination().trust_unverified is (wanted is trusting)


def test_a_plan_of_an_older_store_trusts_nothing() -> None:
    document = account_plan().model_dump(mode="json")
    for destination in document["destinations"].values():
        del destination["trust_unverified"]
        destination["credential"] = None
    (terms,) = plan_from(type(account_plan()).model_validate(document)).destinations.values()
    assert not terms.trust_unverified
