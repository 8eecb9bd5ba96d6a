"""RecordingAccount: what its deletion does to the account and to the Secret with its key, without any effect."""

from dataclasses import replace
from typing import Any

import pytest

from recording_storage.controller.core.verdicts import Transient, Waiting
from recording_storage.controller.kinds.account.decide import (
    AdoptSecret,
    CloseAccount,
    KeySecret,
    Observed,
    Proof,
    ReleaseSecret,
    Unbind,
)
from recording_storage.controller.kinds.account.deletion import decide_deletion
from tests.controller.kinds.account.test_decide import AC, HERE, KEY, OTHER, account, opened

WRITTEN = KeySecret(found=True, uid="s1", ours=True, account_sid=AC, key=KEY)
OWNED = replace(WRITTEN, owned=True)
OWN = KeySecret(found=True, uid="s2", key=KEY)
CLOSE = (Unbind(HERE, AC), CloseAccount(AC))
AWAY = Transient("StoreUnavailable", "away")


def closing() -> Any:
    return account(deletionPolicy="Close", status={"accountSid": AC})


def test_it_waits_for_what_refers_to_it() -> None:
    verdict = decide_deletion(account(), opened(dependents=("AwsCredential here/main",))).verdict
    assert isinstance(verdict, Waiting)
    assert "AwsCredential here/main" in verdict.message


@pytest.mark.parametrize(
    ("policy", "secret", "actions"),
    [
        pytest.param("Retain", WRITTEN, (), id="the Secret stays"),
        pytest.param("Retain", OWNED, (ReleaseSecret("s1", AC),), id="also one of an earlier version"),
        pytest.param("Retain", OWN, (), id="and one of somebody's own"),
        pytest.param("Close", WRITTEN, (*CLOSE, AdoptSecret("s1")), id="the Secret goes with a closed account"),
        pytest.param("Close", OWNED, CLOSE, id="one of an earlier version does so anyway"),
        pytest.param("Close", OWN, CLOSE, id="one of somebody's own stays"),
        pytest.param("Close", replace(WRITTEN, elsewhere=True), CLOSE, id="one that goes with another object, too"),
        pytest.param("Close", replace(WRITTEN, account_sid=OTHER), CLOSE, id="and that of another account"),
        pytest.param("Close", KeySecret(found=False), CLOSE, id="there is none"),
    ],
)
def test_account_and_secret_go_together(policy: str, secret: KeySecret, actions: tuple[Any, ...]) -> None:
    decision = decide_deletion(account(deletionPolicy=policy, status={"accountSid": AC}), opened(secret=secret))
    assert decision.actions == actions
    assert decision.finished


def test_a_retained_account_is_named() -> None:
    retained = account(status={"accountSid": AC})
    for secret, said in ((WRITTEN, "stays, too"), (KeySecret(found=False), "is gone: restore it")):
        (note,) = decide_deletion(retained, opened(secret=secret)).notes
        assert note.reason == "AccountRetained"
        assert AC in note.message
        assert f"Secret here/default-api-key with its API key {said}" in note.message
    assert decide_deletion(account(), Observed(secret=KeySecret(found=False))).notes == ()


def test_it_needs_no_store_to_retain() -> None:
    assert decide_deletion(account(status={"accountSid": AC}), opened(failure=AWAY)).finished
    assert decide_deletion(closing(), opened(failure=AWAY)).verdict is AWAY


@pytest.mark.parametrize("secret", [WRITTEN, OWNED, OWN])
def test_an_account_that_nothing_proves_to_be_ours_is_not_closed_and_that_is_told(secret: KeySecret) -> None:
    for facts in ({"account_sid": None, "proof": None}, {"account_sid": OTHER, "proof": Proof.API_KEY}):
        decision = decide_deletion(closing(), opened(secret=secret, **facts))
        assert decision.actions == ((ReleaseSecret("s1", AC),) if secret.owned else ())
        assert [(note.reason, note.warning) for note in decision.notes] == [("Abandoned", True)]
        assert AC in decision.notes[0].message
        assert decision.finished


@pytest.mark.parametrize(
    ("secret", "actions"),
    [(WRITTEN, (AdoptSecret("s1"),)), (OWNED, ()), (OWN, ()), (KeySecret(found=False), ())],
)
def test_cut_short_after_the_account_was_closed_it_goes_on_with_the_secret(
    secret: KeySecret, actions: tuple[Any, ...]
) -> None:
    decision = decide_deletion(closing(), Observed(secret=secret, closed=True, failure=AWAY))
    assert (decision.actions, decision.verdict, decision.finished) == (actions, None, True)
