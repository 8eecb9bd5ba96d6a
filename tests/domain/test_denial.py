"""A denial ends something only once it has lasted, by answers to requests that need the right to store."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from recording_storage.domain.denial import LEAST_DENIED, Denial, Ending
from recording_storage.domain.policy import DEFAULT_DENIAL_GRACE, FatalErrorPolicy, UploadPolicy
from recording_storage.domain.states import Product

DELETE = UploadPolicy(fatal_error_policy=FatalErrorPolicy.DELETE)
AT_ONCE = UploadPolicy(fatal_error_policy=FatalErrorPolicy.DELETE, denial_grace=0)
GRACE = DEFAULT_DENIAL_GRACE


def denied(times: int, *, over: float, key: str = "k") -> Denial:
    """So many requests, evenly spread over some seconds."""
    denial = Denial()
    for number in range(times):
        denial.denied(1000.0 + over * number / max(times - 1, 1), key=key)
    return denial


@pytest.mark.parametrize(
    ("policy", "times", "over", "proven", "expected"),
    [
        (UploadPolicy(), 1, 0.0, True, Ending.NONE),
        (UploadPolicy(), 40, GRACE - 1, True, Ending.NONE),
        (UploadPolicy(), 2, GRACE, True, Ending.REJECT),
        (UploadPolicy(denial_grace=0), 1, 0.0, True, Ending.REJECT),
        (UploadPolicy(denial_grace=3600), 40, GRACE, True, Ending.NONE),
        (DELETE, 40, GRACE - 1, True, Ending.NONE),
        (DELETE, LEAST_DENIED - 1, GRACE, True, Ending.NONE),
        (DELETE, LEAST_DENIED, GRACE, True, Ending.DELETE),
        (DELETE, LEAST_DENIED, GRACE, False, Ending.REJECT),
        (AT_ONCE, 1, 0.0, True, Ending.DELETE),
        (AT_ONCE, 1, 0.0, False, Ending.REJECT),
        (AT_ONCE, 0, 0.0, True, Ending.NONE),
    ],
)
def test_what_follows_from_the_evidence(policy, times, over, proven, expected):
    assert denied(times, over=over).ending(policy, product=Product.VOICE, proven=proven) is expected


def test_a_fault_of_videos_settings_lasts_for_the_whole_retry_window():
    for policy in (DELETE, AT_ONCE):
        short, long = denied(40, over=policy.retry_window - 1), denied(40, over=policy.retry_window)
        assert short.ending(policy, product=Product.VIDEO, proven=True) is Ending.NONE
        assert long.ending(policy, product=Product.VIDEO, proven=True) is Ending.DELETE


def test_a_denial_that_nobody_has_asked_about_for_long_does_not_last():
    """A laptop slept, or a process stood still: time alone is no evidence."""
    assert not denied(40, over=1).lasts(GRACE)


def test_what_was_denied_before_one_that_passed_is_forgotten():
    denial = denied(40, over=GRACE, key="before")
    denial.allowed()
    assert (denial.count, denial.keys()) == (0, [])
    denial.denied(5000.0, key="after")
    assert denial.keys() == ["after"]
    assert denial.ending(DELETE, product=Product.VOICE, proven=True) is Ending.NONE


def test_a_probe_is_no_recording():
    denial = denied(40, over=GRACE, key="")
    assert denial.ending(DELETE, product=Product.VOICE, proven=True) is Ending.DELETE
    assert denial.keys() == []


class Histories(RuleBasedStateMachine):
    """Any history of answers, under Delete, on a destination that has stored before."""

    def __init__(self) -> None:
        super().__init__()
        self.denial, self.now = Denial(), 0.0
        self.passed_at = 0.0
        self.since: list[tuple[float, str]] = []

    @rule(seconds=st.sampled_from([0.5, 60.0, 280.0, 300.0, 599.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(key=st.sampled_from(["", "a", "b", "c"]), times=st.integers(1, LEAST_DENIED))
    def denies(self, key: str, times: int) -> None:
        for _ in range(times):
            self.denial.denied(self.now, key=key)
            self.since.append((self.now, key))

    @rule()
    def grants(self) -> None:
        self.denial.allowed()
        self.since.clear()
        self.passed_at = self.now

    def ending(self, policy: UploadPolicy = DELETE) -> Ending:
        return self.denial.ending(policy, product=Product.VOICE, proven=True)

    @invariant()
    def nothing_is_deleted_where_one_has_passed_within_the_grace(self) -> None:
        if self.now - self.passed_at < GRACE:
            assert self.ending() is Ending.NONE

    @invariant()
    def exactly_those_that_were_denied_themselves_are_deleted(self) -> None:
        assert self.denial.keys() == sorted({key for _, key in self.since if key})
        lasted = len(self.since) >= LEAST_DENIED and self.since[-1][0] - self.since[0][0] >= GRACE
        assert (self.ending() is Ending.DELETE) is lasted

    @precondition(lambda self: self.since)
    @invariant()
    def without_a_grace_the_first_one_counts(self) -> None:
        assert self.ending(AT_ONCE) is Ending.DELETE


Histories.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
test_any_history = Histories.TestCase
