"""RecordingSettings: each situation and what follows from it, without any effect."""

from datetime import UTC, datetime
from typing import Any

import pytest

from recording_storage.controller.core.verdicts import Stalled, Transient, Waiting
from recording_storage.controller.kinds.recording_settings.decide import (
    Claim,
    Observed,
    Post,
    Release,
    View,
    decide,
    decide_deletion,
)
from recording_storage.controller.kinds.recording_settings.desired import (
    References,
    beyond_hosted,
    differences,
    parameters,
)
from recording_storage.controller.stores.answers import read_settings
from recording_storage.domain.conditions import ConditionType, Truth
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.states import Product
from recording_storage.resources import RecordingSettings

OLD, NEW = f"CR{'a' * 32}", f"CR{'b' * 32}"
REFS = References(credential_sid=OLD)
URL = "https://bucket.s3.eu-west-1.amazonaws.com/calls"
VERIFIED_AT = datetime(2026, 1, 31, tzinfo=UTC)
OWNER = "here/default"
VOICE, VIDEO = Product.VOICE, Product.VIDEO


def settings(*, annotations: dict[str, str] | None = None, storage: Any = None, **spec: Any) -> RecordingSettings:
    meta = {"name": "default", "namespace": "here", "uid": "uid-3", "generation": 1, "annotations": annotations or {}}
    storage = storage or {"enabled": True, "url": URL, "credentialRef": {"name": "main"}}
    body = {"accountRef": {"name": "default"}, "friendlyName": "production", "awsStorage": storage} | spec
    return RecordingSettings.parse({"metadata": meta, "spec": body})


def echoed(resource: RecordingSettings, refs: References = REFS) -> StoreSettings:
    return StoreSettings().updated(parameters(resource.spec, refs, hosted=False))


def observed(resource: RecordingSettings, *, owner: str = OWNER, **facts: Any) -> Observed:
    view = View(settings=echoed(resource), revision=7, owner=owner, owner_label=owner, verified_at=VERIFIED_AT)
    base: dict[str, Any] = {"account_sid": "AC1", "views": {VOICE: view, VIDEO: view}, "refs": REFS, "applied": ()}
    return Observed(**(base | facts))


def cause(decision: Any, type_: ConditionType) -> Any:
    return next((each for each in decision.conditions if each.type is type_), None)


def test_settings_that_the_store_echoes_are_ready() -> None:
    decision = decide(settings(), observed(settings()))
    assert (decision.actions, decision.verdict) == ((), None)
    assert decision.message == f"voice and video recordings go to {URL} (revision 7)"
    assert decision.status["effective"][0]["bucket"] == "bucket"
    assert decision.status["effective"][0]["prefix"] == "calls/"
    assert cause(decision, ConditionType.BUCKET_VERIFIED).status is Truth.TRUE


def test_settings_that_were_never_set_are_claimed_and_set() -> None:
    resource = settings()
    decision = decide(resource, observed(resource, views={each: View(settings=StoreSettings()) for each in Product}))
    form = parameters(resource.spec, REFS, hosted=False)
    assert set(decision.actions[:2]) == {Claim(VOICE, OWNER), Claim(VIDEO, OWNER)}
    assert decision.actions[2] == Post((VOICE, VIDEO), form)


def test_only_what_differs_is_set() -> None:
    resource = settings()
    now = observed(resource)
    drifted = View(settings=StoreSettings(), revision=8, owner=OWNER)
    decision = decide(resource, observed(resource, views={**now.views, VIDEO: drifted}))
    assert [action.products for action in decision.actions if isinstance(action, Post)] == [(VIDEO,)]
    assert cause(decision, ConditionType.SYNCED).status is Truth.FALSE


def test_a_trust_that_differs_is_set_and_taken_back() -> None:
    storage = {"enabled": True, "url": URL, "credentialRef": {"name": "main"}}
    doubting, trusting = settings(storage=storage), settings(storage=storage | {"trustUnverified": True})
    for before, after, word in ((doubting, trusting, "true"), (trusting, doubting, "false")):
        (post,) = [action for action in decide(after, observed(before)).actions if isinstance(action, Post)]
        assert post.form["TrustUnverified"] == word
        assert differences(post.form, echoed(before), hosted=False) == ("trust_unverified",)


def test_a_hosted_service_has_no_trust_to_give() -> None:
    storage = {"enabled": True, "url": URL, "credentialRef": {"name": "main"}, "trustUnverified": True}
    assert beyond_hosted(settings(storage=storage).spec, REFS) == ("awsStorage.trustUnverified",)


def test_what_was_just_set_is_not_set_again_when_the_store_answers_otherwise() -> None:
    resource = settings()
    views = {each: View(settings=StoreSettings(), owner=OWNER) for each in Product}
    decision = decide(resource, observed(resource, views=views, posted=frozenset(Product)))
    assert decision.actions == ()
    assert isinstance(decision.verdict, Waiting)
    assert decision.verdict.reason == "EchoDiffers"
    assert "aws_s3_url" in decision.verdict.message


def test_during_a_rotation_the_successor_is_tried_and_the_old_one_is_known() -> None:
    resource = settings()
    decision = decide(resource, observed(resource, refs=References(credential_sid=NEW), rotating_from=OLD))
    post = decision.actions[0]
    assert isinstance(post, Post)
    assert (post.form["AwsCredentialsSid"], post.rotating_from) == (NEW, OLD)


def test_of_two_the_owner_stays_unless_a_person_says_otherwise() -> None:
    resource = settings()
    verdict = decide(resource, observed(resource, owner="there/other")).verdict
    assert isinstance(verdict, Stalled)
    assert verdict.reason == "Conflict"
    assert "RecordingSettings there/other" in verdict.message

    taking = settings(annotations={"recordingstorage.dev/take-over": "true"})
    actions = decide(taking, observed(taking, owner="there/other")).actions
    assert actions[:2] == (Release(VOICE, "there/other"), Claim(VOICE, OWNER))


def test_a_product_that_is_no_longer_asked_for_is_let_go() -> None:
    resource = settings(products=["video"])
    assert decide(resource, observed(resource)).actions == (Release(VOICE, OWNER),)


def test_observe_claims_nothing_and_tells_what_differs() -> None:
    resource = settings(mode="Observe")
    views = {each: View(settings=StoreSettings(), revision=1) for each in Product}
    decision = decide(resource, observed(resource, views=views))
    assert decision.actions == ()
    assert decision.verdict is not None
    assert decision.verdict.reason == "Drifted"
    assert "friendly_name" in decision.verdict.message


@pytest.mark.parametrize(
    ("applied", "status", "message"),
    [
        ((), Truth.TRUE, "no uploader"),
        ((7, 8), Truth.TRUE, "2 of 2 uploaders run revision 7"),
        ((7, 6, None), Truth.FALSE, "1 of 3 uploaders run revision 7"),
    ],
)
def test_uploaders_in_sync_counts_those_that_run_the_revision(applied: Any, status: Truth, message: str) -> None:
    decision = decide(settings(), observed(settings(), applied=applied))
    condition = cause(decision, ConditionType.UPLOADERS_IN_SYNC)
    assert condition.status is status
    assert message in condition.message
    assert decision.verdict is None, "uploaders that are behind don't make settings unready"


@pytest.mark.parametrize(
    ("spec", "reason", "named"),
    [
        ({}, "VoiceNotAvailable", "[video]"),
        ({"products": ["video"], "upload": {"retryWindow": "3h"}}, "NotAvailableAtHostedService", "upload.retryWindow"),
        (
            {"products": ["video"], "statusCallback": {"url": "https://x"}},
            "NotAvailableAtHostedService",
            "statusCallback.url",
        ),
    ],
)
def test_what_a_hosted_service_has_nothing_for_is_refused(spec: dict[str, Any], reason: str, named: str) -> None:
    resource = settings(**spec)
    verdict = decide(resource, observed(resource, hosted=True)).verdict
    assert isinstance(verdict, Stalled)
    assert verdict.reason == reason
    assert named in verdict.message


@pytest.mark.parametrize(
    ("upload", "named"), [({"keyTemplate": "no sid"}, "KeyTemplate"), ({"keyTemplate": "{nonsense}"}, "KeyTemplate")]
)
@pytest.mark.parametrize("hosted", [True, False])
def test_what_can_not_be_read_is_named(upload: dict[str, str], named: str, *, hosted: bool) -> None:
    resource = settings(products=["video"], upload=upload)
    views = {VIDEO: View(settings=StoreSettings())}
    facts = Observed(account_sid="AC1", views=views, refs=REFS, applied=(), hosted=hosted)
    verdict = decide(resource, facts).verdict
    assert isinstance(verdict, Stalled)
    assert verdict.reason == "InvalidSettings"
    assert named in verdict.message


def test_at_a_hosted_service_only_what_it_knows_is_compared_and_sent() -> None:
    resource = settings(products=["video"])
    answer = {
        "account_sid": f"AC{'1' * 32}",
        "friendly_name": "production",
        "aws_storage_enabled": True,
        "aws_s3_url": URL,
        "aws_credentials_sid": OLD,
        "encryption_enabled": None,
        "encryption_key_sid": None,
    }
    views = {VIDEO: View(settings=read_settings(answer).values)}
    decision = decide(resource, observed(resource, hosted=True, views=views, applied=None))
    assert (decision.actions, decision.verdict) == ((), None)
    views = {VIDEO: View(settings=StoreSettings())}
    post = decide(resource, observed(resource, hosted=True, views=views, applied=None)).actions[0]
    assert isinstance(post, Post)
    assert set(post.form) == {"FriendlyName", "AwsStorageEnabled", "AwsS3Url", "AwsCredentialsSid", "EncryptionEnabled"}


def test_a_failure_keeps_what_is_known_of_the_references() -> None:
    failure = Transient("StoreUnavailable", "away")
    decision = decide(settings(), Observed(failure=failure))
    assert decision.verdict is failure
    assert cause(decision, ConditionType.REFS_RESOLVED).status is Truth.TRUE
    assert (
        cause(decide(settings(), Observed(failure=failure, refs_resolved=False)), ConditionType.REFS_RESOLVED) is None
    )


@pytest.mark.parametrize(("policy", "posts"), [("Retain", 0), ("Disable", 2)])
def test_deletion_does_what_the_policy_says_and_lets_go(policy: str, posts: int) -> None:
    resource = settings(deletionPolicy=policy)
    decision = decide_deletion(resource, observed(resource))
    assert sum(isinstance(action, Post) for action in decision.actions) == posts
    assert set(decision.actions[posts:]) == {Release(VOICE, OWNER), Release(VIDEO, OWNER)}
    assert decision.finished


def test_deletion_leaves_settings_alone_that_are_somebody_elses() -> None:
    resource = settings(deletionPolicy="Disable")
    assert decide_deletion(resource, observed(resource, owner="there/other")).actions == ()


def test_what_a_resource_leaves_out_is_what_the_store_has_by_default() -> None:
    spec = RecordingSettings.parse(
        {
            "metadata": {"name": "x", "namespace": "here", "uid": "u", "generation": 1},
            "spec": {"accountRef": {"name": "default"}, "friendlyName": "x"},
        }
    ).spec
    form = parameters(spec, References(), hosted=False)
    assert differences(form, StoreSettings(friendly_name="x"), hosted=False) == ()
