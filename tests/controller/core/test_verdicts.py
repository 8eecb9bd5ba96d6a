"""What a verdict makes of conditions and of the next look."""

import pytest

from recording_storage.controller.core.verdicts import (
    InUse,
    NamespaceEnding,
    Stalled,
    Streak,
    Transient,
    UsedBy,
    Verdict,
    Waiting,
    conditions_of,
    jitter,
    pause,
)
from recording_storage.controller.kinds.deletion import ABANDONED_AFTER, why_abandoned
from recording_storage.domain.conditions import ConditionType, Truth, true

SYNCED, REFS, BLOCKED = ConditionType.SYNCED, ConditionType.REFS_RESOLVED, ConditionType.DELETION_BLOCKED


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (None, {"Ready": "True"}),
        (Stalled("R", "m", cause=SYNCED), {"Ready": "False", "Stalled": "True", "Synced": "False"}),
        (Waiting("R", "m", cause=REFS), {"Ready": "Unknown", "Reconciling": "True", "RefsResolved": "False"}),
        (Waiting("R", "m", cause=REFS, ready=Truth.FALSE), {"Ready": "False", "RefsResolved": "False"}),
        (Waiting("R", "m", cause=BLOCKED, ready=Truth.FALSE), {"Ready": "False", "DeletionBlocked": "True"}),
        (Transient("R", "m", cause=SYNCED), {"Ready": "Unknown", "Reconciling": "True", "Synced": "Unknown"}),
    ],
)
def test_each_verdict_has_its_conditions(verdict: Verdict | None, expected: dict[str, str]) -> None:
    found = conditions_of(verdict, (), ready_message="fine")
    assert {each.type.value: each.status.value for each in found} == expected


def test_causes_that_the_verdict_is_not_about_stay() -> None:
    causes = (true(REFS, "Resolved", "there"), true(SYNCED, "Synced", "equal"))
    found = conditions_of(Transient("StoreUnavailable", "away", cause=SYNCED), causes, ready_message="")
    by_type = {each.type: each for each in found}
    assert by_type[REFS].status is Truth.TRUE
    assert by_type[SYNCED].reason == "StoreUnavailable"


def test_a_transient_failure_is_tried_soon_and_then_more_slowly() -> None:
    pauses = [pause(Transient("R", "m"), failures=count, interval=300) for count in range(1, 10)]
    assert pauses[0] < 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30


def test_what_the_other_side_asks_for_is_waited() -> None:
    assert pause(Transient("R", "m", retry_after=42.0), failures=1, interval=300) == 42


@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
def test_no_pause_becomes_shorter_by_chance(drawn: float) -> None:
    assert 1.0 <= jitter(drawn) <= 1.2


@pytest.mark.parametrize("count", [1, 5, 10_000])
def test_nothing_is_looked_at_more_rarely_than_its_interval(count: int) -> None:
    assert pause(Stalled("R", "m"), failures=count, interval=10) <= 10
    assert pause(Waiting("R", "m", after=float("inf")), failures=count, interval=10) == 10
    assert pause(None, failures=0, interval=10) == 10


NEVER = float("inf")


@pytest.mark.parametrize(
    ("verdict", "alone", "with_account"),
    [
        (Transient("StoreUnavailable", "away"), ABANDONED_AFTER, ABANDONED_AFTER),
        (InUse("used", by=UsedBy.STORE), ABANDONED_AFTER, 0.0),
        (InUse("used", by=UsedBy.UPLOADERS), ABANDONED_AFTER, ABANDONED_AFTER),
        (InUse("used", by=UsedBy.OBJECTS), NEVER, NEVER),
        (NamespaceEnding("Secret here/x is gone"), 0.0, 0.0),
    ],
)
def test_a_deletion_has_a_deadline(verdict: Verdict, alone: float, with_account: float) -> None:
    """But where other objects refer to what is deleted."""
    for waited in (0.0, ABANDONED_AFTER - 1, ABANDONED_AFTER, 10 * ABANDONED_AFTER):
        for leaves, after in ((False, alone), (True, with_account)):
            why = why_abandoned(verdict, waited=waited, account_leaves=leaves)
            assert bool(why) is (waited >= after)
            assert not why or verdict.message in why


def test_a_deletion_that_is_in_use_is_blocked() -> None:
    found = conditions_of(InUse("used", by=UsedBy.STORE), (), ready_message="")
    assert {each.type: each.reason for each in found} == {BLOCKED: "InUse", ConditionType.READY: "InUse"}


def test_only_what_fails_for_the_same_reason_is_tried_more_slowly() -> None:
    streak = Streak()
    waited = [streak.count("AccountNotReady") for _ in range(6)]
    assert waited == [1, 2, 3, 4, 5, 6]

    refused = Stalled("BucketAccessDenied", "m")
    assert pause(refused, failures=streak.count(refused.reason), interval=300) == 2
    assert pause(refused, failures=streak.count(refused.reason), interval=300) == 4
