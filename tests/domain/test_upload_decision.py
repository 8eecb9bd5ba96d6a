"""The pure decision: each class of failure, the window, the policy."""

import random

import pytest

from recording_storage.domain.backoff import MOST, full_jitter
from recording_storage.domain.denial import LEAST_DENIED
from recording_storage.domain.failures import FailureClass
from recording_storage.domain.policy import FatalErrorPolicy, UploadPolicy
from recording_storage.domain.states import Product
from recording_storage.domain.upload_decision import Confirmation, FailureFacts, NextStep, decide


def step(kind: FailureClass, *, policy: UploadPolicy | None = None, **facts: object) -> NextStep:
    given = {"failures": 1, "failing_for": 0.0, **facts}
    return decide(FailureFacts(kind=kind, **given), policy=policy or UploadPolicy(), uniform=random.uniform).step


DELETE = UploadPolicy(fatal_error_policy=FatalErrorPolicy.DELETE)


def test_every_class_has_a_decision() -> None:
    for kind in FailureClass:
        assert step(kind) in NextStep


@pytest.mark.parametrize("kind", [FailureClass.TRANSIENT, FailureClass.THROTTLED, FailureClass.MULTIPART_LOST])
def test_what_passes_waits_for_the_whole_window(kind: FailureClass) -> None:
    assert step(kind, failures=50, failing_for=7199.0) is NextStep.WAIT
    assert step(kind, failures=50, failing_for=7200.0) is NextStep.PARK


@pytest.mark.parametrize("kind", [FailureClass.FILE, FailureClass.DIGEST, FailureClass.PRECONDITION])
def test_a_fault_of_one_recording_parks_it(kind: FailureClass) -> None:
    assert step(kind) is NextStep.PARK


def test_a_refused_key_is_looked_up_once() -> None:
    assert step(FailureClass.CREDENTIAL) is NextStep.REFRESH_CREDENTIAL
    assert step(FailureClass.CREDENTIAL, fresh_credential=True) is NextStep.HOLD


def test_a_denial_holds_the_destination_when_it_is_confirmed() -> None:
    fatal = FailureClass.FATAL
    for policy in (UploadPolicy(), DELETE):
        assert step(fatal, policy=policy, proven=True) is NextStep.CONFIRM
        assert step(fatal, policy=policy, proven=True, confirmation=Confirmation.FAILED) is NextStep.HOLD
        late = {"failing_for": 1e6, "confirmation": Confirmation.FAILED}
        assert step(fatal, policy=policy, **late) is NextStep.HOLD, "a denial has a time of its own"


def test_what_is_denied_alone_is_tried_again_until_that_has_lasted() -> None:
    alone = {"confirmation": Confirmation.PASSED, "policy": DELETE, "proven": True, "failures": LEAST_DENIED}
    assert step(FailureClass.FATAL, failing_for=599.0, **alone) is NextStep.WAIT
    assert step(FailureClass.FATAL, failing_for=600.0, **{**alone, "failures": LEAST_DENIED - 1}) is NextStep.WAIT
    assert step(FailureClass.FATAL, failing_for=600.0, **alone) is NextStep.PARK
    assert step(FailureClass.FATAL, failing_for=900.0, recovered_for=10.0, **alone) is NextStep.WAIT
    assert step(FailureClass.FATAL, failing_for=600.0, product=Product.VIDEO, **alone) is NextStep.WAIT


def test_without_a_grace_a_denial_deletes_at_once_where_something_was_stored() -> None:
    at_once = UploadPolicy(fatal_error_policy=FatalErrorPolicy.DELETE, denial_grace=0)
    fatal = FailureClass.FATAL
    assert step(fatal, policy=at_once, proven=True) is NextStep.DELETE
    assert step(fatal, policy=at_once) is NextStep.CONFIRM, "never worked before"
    assert step(fatal, policy=at_once, proven=True, product=Product.VIDEO) is NextStep.CONFIRM
    assert step(fatal, policy=at_once, proven=True, to_store=False) is NextStep.WAIT, "no right to store was denied"


def test_a_refusal_is_asked_back_before_a_recording_is_blamed() -> None:
    assert step(FailureClass.REFUSED) is NextStep.CONFIRM
    assert step(FailureClass.REFUSED, confirmation=Confirmation.PASSED) is NextStep.PARK


@pytest.mark.parametrize("kind", sorted(set(FailureClass) - {FailureClass.CREDENTIAL}))
def test_what_the_verify_sequence_fails_with_never_parks_a_recording(kind: FailureClass) -> None:
    assert step(kind, confirmation=Confirmation.FAILED) in {NextStep.HOLD, NextStep.WAIT}


def test_the_wait_is_jittered_over_its_whole_range_and_bounded() -> None:
    chance = random.Random(1)
    waits = [full_jitter(failures, uniform=chance.uniform) for failures in range(1, 40) for _ in range(200)]
    assert max(waits) <= MOST
    assert max(waits) > 0.95 * MOST
    assert min(waits) < 0.05
    assert all(full_jitter(1, uniform=lambda _low, high: high) == 1.0 for _ in range(3))


def test_a_server_that_names_a_time_is_given_it() -> None:
    facts = FailureFacts(kind=FailureClass.THROTTLED, failures=1, failing_for=0.0, retry_after=40.0)
    assert decide(facts, policy=UploadPolicy(), uniform=lambda low, _: low).delay == 40.0


def test_the_last_try_is_made_when_the_window_ends() -> None:
    facts = FailureFacts(kind=FailureClass.TRANSIENT, failures=30, failing_for=7190.0)
    assert decide(facts, policy=UploadPolicy(), uniform=lambda _, high: high).delay == 10.0


@pytest.mark.parametrize("kind", [FailureClass.HOLD, FailureClass.REGION, FailureClass.UNSUPPORTED])
def test_a_hold_that_comes_again_after_the_window_parks_that_recording(kind: FailureClass) -> None:
    assert step(kind) is NextStep.HOLD
    assert step(kind, failures=50, failing_for=7199.0) is NextStep.HOLD
    assert step(kind, failures=50, failing_for=7200.0) is NextStep.PARK
    assert step(kind, failures=50, failing_for=7200.0, recovered_for=1.0) is NextStep.PARK, "it counts from the first"


def test_what_passes_right_after_a_hold_gets_a_window_of_its_own() -> None:
    transient = FailureClass.TRANSIENT
    assert step(transient, failing_for=3 * 3600.0, recovered_for=1.0) is NextStep.WAIT
    assert step(transient, failing_for=6 * 3600.0, recovered_for=7200.0) is NextStep.PARK
    assert step(transient, failing_for=1.0, recovered_for=9000.0) is NextStep.WAIT
