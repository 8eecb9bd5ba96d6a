"""RecordingAccount: each situation and what follows from it, without any effect."""

from dataclasses import replace
from typing import Any

import pytest

from recording_storage.controller.core.verdicts import Stalled, Transient, Waiting
from recording_storage.controller.kinds.account.decide import (
    REPLACE_ANNOTATION,
    Bind,
    KeySecret,
    Namespace,
    Observed,
    OpenAccount,
    Proof,
    ReleaseSecret,
    Unbind,
    WriteKeySecret,
    changes,
    decide,
    known_sid,
)
from recording_storage.controller.stores.public import ApiKey
from recording_storage.resources import RecordingAccount

AC, OTHER = f"AC{'1' * 32}", f"AC{'2' * 32}"
KEY, KEY2 = ApiKey(f"SK{'1' * 32}", "one"), ApiKey(f"SK{'2' * 32}", "two")
HERE, THERE = Namespace(name="here", uid="u1"), Namespace(name="there", uid="u2")
NOTHING = Observed(secret=KeySecret(found=False))
ENDPOINTS = {name: f"https://{name}.example.com" for name in ("video", "accounts", "api")}


def account(*, status: dict[str, Any] | None = None, **spec: Any) -> RecordingAccount:
    meta = {"name": "default", "namespace": "here", "uid": "uid-1", "generation": 1}
    return RecordingAccount.parse({"metadata": meta, "spec": spec, "status": status or {}})


def opened(**more: Any) -> Observed:
    facts: dict[str, Any] = {
        "secret": KeySecret(found=True, ours=True, key=KEY),
        "account_sid": AC,
        "proof": Proof.EXTERNAL_ID,
        "key": KEY,
        "namespaces": (HERE,),
        "bound": (HERE,),
    }
    return Observed(**(facts | more))


def test_an_account_that_is_not_there_is_opened() -> None:
    assert decide(account(), Observed(secret=KeySecret(found=False))).actions == (OpenAccount(),)


def test_what_is_missing_is_done_in_one_go() -> None:
    decision = decide(account(), opened(secret=KeySecret(found=False), bound=()))
    assert decision.actions == (WriteKeySecret(KEY, AC), Bind(HERE, AC, Proof.EXTERNAL_ID))


def test_with_all_in_place_it_is_ready_and_says_who_may_use_it() -> None:
    decision = decide(account(), opened())
    assert (decision.actions, decision.verdict) == ((), None)
    assert decision.status["accountSid"] == AC
    assert decision.status["externalId"] == "uid-1"
    assert decision.status["boundNamespaces"] == [{"name": "here", "uid": "u1"}]
    assert "here" in decision.message


@pytest.mark.parametrize("there", [True, False])
def test_more_namespaces_than_an_account_can_have_change_nothing(*, there: bool) -> None:
    many = tuple(Namespace(name=f"n{number}", uid=f"u{number}") for number in range(1, 1026))
    bound = [{"name": "here", "uid": "u1"}, {"name": "left", "uid": "u9"}]
    subject = account(status={"accountSid": AC, "externalId": "uid-1", "boundNamespaces": bound} if there else {})
    seen = opened(namespaces=many, bound=(HERE,)) if there else replace(NOTHING, namespaces=many)
    decision = decide(subject, seen)
    assert (decision.actions, decision.status) == ((), {}), "nothing is half done, and what the status says stays"
    assert isinstance(decision.verdict, Stalled)
    assert decision.verdict.reason == "TooManyNamespaces"
    assert "selects 1025 namespaces" in decision.verdict.message
    assert "1024: narrow the selector" in decision.verdict.message
    assert decide(subject, replace(seen, namespaces=many[:-1])).verdict is None


def test_a_secret_with_another_key_is_written_anew_only_if_it_is_ours() -> None:
    ours = decide(account(), opened(secret=KeySecret(found=True, ours=True, key=KEY2)))
    assert ours.actions == (WriteKeySecret(KEY, AC),)
    foreign = decide(account(), opened(secret=KeySecret(found=True, ours=False, key=KEY2)))
    assert isinstance(foreign.verdict, Stalled)
    assert foreign.verdict.reason == "SecretNotOurs"


def test_nothing_is_opened_beside_what_a_foreign_secret_stands_for() -> None:
    secret = KeySecret(found=True, ours=False, account_sid=OTHER, problem="Secret x: the value of 'password' is empty")
    verdict = decide(account(), Observed(secret=secret)).verdict
    assert isinstance(verdict, Stalled)
    assert verdict.reason == "SecretNotOurs"
    assert OTHER in verdict.message
    assert "is empty" in verdict.message


def test_nothing_is_opened_beside_what_a_restored_status_names() -> None:
    nothing = Observed(secret=KeySecret(found=False))
    for external in ({"externalId": "uid-of-before"}, {}):
        verdict = decide(account(status={"accountSid": OTHER} | external), nothing).verdict
        assert isinstance(verdict, Stalled)
        assert verdict.reason == "AccountNotOurs"
        assert OTHER in verdict.message
    assert decide(account(status={"accountSid": OTHER, "externalId": "uid-1"}), nothing).actions == (OpenAccount(),)


def test_an_account_that_its_key_proves_is_taken_as_it_is() -> None:
    secret = KeySecret(found=True, ours=False, key=KEY)
    decision = decide(account(), opened(secret=secret, proof=Proof.API_KEY))
    assert (decision.actions, decision.verdict) == ((), None)
    assert decision.status["accountSid"] == AC
    assert decision.status["externalId"] is None


def test_only_namespaces_that_this_resource_has_bound_are_unbound() -> None:
    bound = (HERE, THERE)
    assert decide(account(), opened(bound=bound)).actions == ()
    before = {"boundNamespaces": [{"name": "there", "uid": "u2"}]}
    assert decide(account(status=before), opened(bound=bound)).actions == (Unbind(THERE, AC),)


def test_a_namespace_created_anew_under_its_name_is_another() -> None:
    again = Namespace(name="here", uid="u9")
    before = {"boundNamespaces": [{"name": "here", "uid": "u1"}]}
    decision = decide(account(status=before), opened(namespaces=(again,), bound=(HERE,)))
    assert decision.actions == (Bind(again, AC, Proof.EXTERNAL_ID), Unbind(HERE, AC))


@pytest.mark.parametrize(
    ("spec", "observed", "reason"),
    [
        ({"accountSid": OTHER}, Observed(secret=KeySecret(found=False)), "AccountNotOurs"),
        ({"accountSid": OTHER}, Observed(secret=KeySecret(found=True, problem="no key")), "AccountNotOurs"),
        ({"accountSid": OTHER}, opened(proof=Proof.API_KEY), "AccountNotOurs"),
        ({"accountSid": OTHER}, opened(), "AccountNotOurs"),
    ],
)
def test_an_account_by_its_sid_alone_is_refused(spec: dict[str, Any], observed: Observed, reason: str) -> None:
    decision = decide(account(**spec), observed)
    assert decision.actions == ()
    assert isinstance(decision.verdict, Stalled)
    assert decision.verdict.reason == reason
    assert OTHER in decision.verdict.message
    assert "default-api-key" in decision.verdict.message


def test_an_account_by_its_own_key_is_taken_and_its_secret_left_alone() -> None:
    observed = opened(proof=Proof.API_KEY, secret=KeySecret(found=True, key=KEY), bound=())
    assert decide(account(accountSid=AC), observed).actions == (Bind(HERE, AC, Proof.API_KEY),)


def test_a_remote_account_needs_its_secret_and_binds_nothing() -> None:
    remote = account(
        store={"type": "Remote", "endpoints": ENDPOINTS}, accountSid=AC, apiKeySecretRef={"name": "hosted"}
    )
    missing = decide(remote, Observed(secret=KeySecret(found=False))).verdict
    assert isinstance(missing, Waiting)
    assert "Secret here/hosted does not exist" in missing.message
    there = opened(proof=Proof.API_KEY, secret=KeySecret(found=True, key=KEY), bound=None)
    assert decide(remote, there).actions == ()
    assert decide(remote, there).verdict is None


def test_another_account_than_before_is_told_loudly() -> None:
    before, after = account(status={"accountSid": OTHER}), account(status={"accountSid": AC})
    (note,) = changes(before, after)
    assert (note.reason, note.warning) == ("AccountReplaced", True)
    assert OTHER in note.message
    assert decide(before, opened()).status["accountSid"] == AC


def test_an_account_is_told_once() -> None:
    none, there = account(), account(status={"accountSid": AC})
    assert [note.reason for note in changes(none, there)] == ["AccountReady"]
    assert changes(there, there) == changes(none, none) == ()


def test_a_failure_to_look_decides_nothing() -> None:
    failure = Transient("StoreUnavailable", "away")
    assert decide(account(), opened(failure=failure)).verdict is failure


@pytest.mark.parametrize("failure", [None, Transient("StoreUnavailable", "away")])
def test_a_secret_that_would_go_with_the_resource_is_made_to_stay_first(failure: Transient | None) -> None:
    owned = KeySecret(found=True, uid="s1", ours=True, owned=True, account_sid=AC, key=KEY)
    assert decide(account(), opened(secret=owned, failure=failure)).actions == (ReleaseSecret("s1", AC),)
    unnamed = replace(owned, account_sid="")
    tested = account(status={"accountSid": AC})
    assert decide(tested, opened(secret=unnamed, failure=failure)).actions == (ReleaseSecret("s1", AC),)


def test_a_secret_is_replaced_only_if_it_is_the_one_that_was_seen() -> None:
    seen = KeySecret(found=True, uid="s1", ours=True, key=KEY2)
    assert decide(account(), opened(secret=seen)).actions == (WriteKeySecret(KEY, AC, over="s1"),)


@pytest.mark.parametrize(
    ("status", "annotation", "known"),
    [
        pytest.param({}, "", None, id="none was opened"),
        pytest.param({"accountSid": AC, "externalId": "uid-1"}, "", AC, id="opened"),
        pytest.param({"accountSid": AC, "externalId": "uid-1"}, AC, None, id="to be replaced"),
        pytest.param({"accountSid": AC, "externalId": "uid-1"}, OTHER, AC, id="one before it was replaced"),
        pytest.param({"accountSid": AC, "externalId": "uid-of-before"}, "", None, id="opened for another resource"),
        pytest.param({"accountSid": AC}, "", None, id="taken by its key"),
    ],
)
def test_the_account_that_is_known_stays_the_one(status: dict[str, Any], annotation: str, known: str | None) -> None:
    tested = account(status=status)
    if annotation:
        tested.metadata.annotations[REPLACE_ANNOTATION] = annotation
    assert known_sid(tested) == known
