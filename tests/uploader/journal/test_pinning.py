"""What a recording is pinned to, decided from the plans of a moment."""

from dataclasses import replace

import pytest

from recording_storage.domain.states import Product
from recording_storage.protocol.plan import AccountPlan, ProductPlan
from recording_storage.uploader.core.plans import InForce, PlanBook, Standing
from recording_storage.uploader.core.recording import Reason
from recording_storage.uploader.journal.pinning import Pin, pin

ONE, OTHER = "AC" + "1" * 32, "AC" + "2" * 32
BUCKET = "d" * 32
WITHHELD, OWN = "withheld", None


def plan_for(account: str = ONE, *, revision: int = 7, voice: str | None = BUCKET) -> AccountPlan:
    products = {} if voice == WITHHELD else {Product.VOICE: ProductPlan(destination_id=voice)}
    return AccountPlan(account_sid=account, revision=revision, products=products, destinations={})


def of(standing: Standing, *plans: AccountPlan, own_account: str = "") -> InForce:
    return InForce(standing=standing, plans={one.account_sid: one for one in plans}, own_account=own_account)


def said(by: Pin) -> tuple[str, str | None, str]:
    return by.account_sid, by.destination_id, by.error.code if by.error is not None else "pinned"


@pytest.mark.parametrize(
    ("plans", "account", "expected"),
    [
        (of(Standing.IN_FORCE, plan_for()), ONE, (ONE, BUCKET, "pinned")),
        (of(Standing.IN_FORCE, plan_for()), "", (ONE, BUCKET, "pinned")),
        (of(Standing.IN_FORCE, plan_for(voice=OWN)), ONE, (ONE, None, "pinned")),
        (of(Standing.IN_FORCE, plan_for(voice=WITHHELD)), ONE, (ONE, None, Reason.NO_SETTINGS)),
        (of(Standing.IN_FORCE, plan_for()), OTHER, (OTHER, None, Reason.NO_PLAN)),
        (of(Standing.IN_FORCE, plan_for(), plan_for(OTHER)), "", ("", None, Reason.NO_PLAN)),
        (of(Standing.IN_FORCE, plan_for(), plan_for(OTHER), own_account=ONE), "", (ONE, BUCKET, "pinned")),
        (replace(of(Standing.IN_FORCE), everybody=plan_for()), OTHER, (OTHER, BUCKET, "pinned")),
        (of(Standing.IN_FORCE), "", ("", None, Reason.NO_PLAN)),
        (of(Standing.AWAITED, plan_for()), ONE, (ONE, None, Reason.NO_PLAN)),
        (of(Standing.AWAITED, plan_for()), "", ("", None, Reason.NO_PLAN)),
        (of(Standing.AWAITED, own_account=ONE), "", (ONE, None, Reason.NO_PLAN)),
        (of(Standing.JOURNALLED, plan_for()), ONE, (ONE, BUCKET, Reason.NO_PLAN)),
        (replace(of(Standing.IN_FORCE), assigned=False), "", ("", None, Reason.NO_SPOOL_CONFIG)),
        (replace(of(Standing.IN_FORCE), assigned=False), ONE, (ONE, None, Reason.NO_SPOOL_CONFIG)),
        (replace(of(Standing.AWAITED, own_account=ONE), assigned=False), "", (ONE, None, Reason.NO_PLAN)),
        # whose it is may be another's by now
        (of(Standing.JOURNALLED, plan_for()), "", ("", BUCKET, Reason.NO_PLAN)),
        (of(Standing.JOURNALLED, plan_for()), OTHER, (OTHER, None, Reason.NO_PLAN)),
    ],
)
def test_only_what_is_in_force_pins(plans: InForce, account: str, expected: tuple[str, str | None, str]) -> None:
    assert said(pin(plans, account, Product.VOICE)) == expected


@pytest.mark.parametrize("standing", Standing)
def test_plans_become_what_the_table_allows(standing: Standing) -> None:
    book = PlanBook()
    book.recall({ONE: plan_for()})
    if standing is Standing.JOURNALLED:
        assert book.serve_journalled()
    if standing is Standing.IN_FORCE:
        book.replace({ONE: plan_for(revision=8)})

    assert book.now.standing is standing
    assert book.revisions() == ({ONE: 8} if standing is Standing.IN_FORCE else {})
    assert book.serve_journalled() is (standing is Standing.AWAITED)


def test_an_assignment_names_the_account_of_what_names_none() -> None:
    book = PlanBook(account_sid=OTHER)
    book.replace({}, assigned=False)
    assert (book.now.assigned, book.now.own_account) == (False, OTHER)
    book.replace({ONE: plan_for(), OTHER: plan_for(OTHER)}, account_sid=ONE)
    assert said(pin(book.now, "", Product.VOICE)) == (ONE, BUCKET, "pinned")


def test_what_is_read_at_one_moment_stays_together_when_the_plans_are_replaced() -> None:
    book = PlanBook()
    book.replace({ONE: plan_for()})
    before = book.now

    book.replace({OTHER: plan_for(OTHER), ONE: plan_for(voice=OWN)})

    assert before.only_account() == ONE
    assert said(pin(before, "", Product.VOICE)) == (ONE, BUCKET, "pinned")
    assert book.now.generation == before.generation + 1
