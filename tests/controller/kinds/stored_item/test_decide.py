"""AwsCredential and PublicKey: each situation and what follows from it, without any effect."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recording_storage.controller.core.verdicts import InUse, Stalled, UsedBy, Waiting
from recording_storage.controller.kinds.aws_credential import decide as aws_credential
from recording_storage.controller.kinds.aws_credential.decide import Create, KeyPair, Observed, Replace
from recording_storage.controller.kinds.public_key import decide as public_key
from recording_storage.controller.kinds.stored_item.decide import Delete, Rename
from recording_storage.controller.stores.answers import StoredItem
from recording_storage.controller.stores.naming import ItemName
from recording_storage.domain.conditions import Truth
from recording_storage.resources import AwsCredential, PublicKey

A, B, C = (f"CR{digit * 32}" for digit in "abc")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TAG = "00000000"
ONE, TWO = (ItemName(label="main", resource_tag=TAG, content_tag=digit * 8) for digit in "12")
PAIR, NEXT = (KeyPair(access_key_id=f"AKIA000{n}", secret_access_key="secret", version=f"v{n}") for n in "12")


def credential(**status: Any) -> AwsCredential:
    meta = {"name": "main", "namespace": "here", "uid": "uid-1", "generation": 1}
    source = {"type": "StaticKeys", "staticKeys": {"secretRef": {"name": "aws"}}}
    spec = {"accountRef": {"name": "default"}, "source": source}
    return AwsCredential.parse({"metadata": meta, "spec": spec, "status": status})


def item(sid: str, name: ItemName) -> StoredItem:
    return StoredItem(sid, name.text)


def observed(**facts: Any) -> Observed:
    base: dict[str, Any] = {"tag": TAG, "name": ONE, "pair": PAIR, "in_uploaders": frozenset(), "now": NOW}
    return Observed(**(base | facts))


def decide(resource: AwsCredential, **facts: Any) -> Any:
    return aws_credential.decide(resource, observed(**facts))


def test_without_one_at_the_store_it_is_created() -> None:
    assert decide(credential()).actions == (Create(ONE, PAIR),)


def test_one_that_a_killed_process_has_made_is_found_and_taken() -> None:
    decision = decide(credential(), items=(item(A, ONE),))
    assert decision.actions == ()
    assert decision.status["sid"] == A
    assert decision.status["accessKeyIdHint"] == "0001"
    assert decision.verdict is None


def test_one_that_is_gone_from_the_store_is_created_again() -> None:
    assert decide(credential(sid=A, secretVersion="v1")).actions == (Create(ONE, PAIR),)


def test_one_that_somebody_renamed_is_renamed_back() -> None:
    decision = decide(credential(sid=A, secretVersion="v1"), items=(StoredItem(A, "mine now"),))
    assert decision.actions == (Rename(A, ONE),)


def test_a_successor_that_is_no_longer_wanted_goes() -> None:
    changed_back = credential(sid=A, secretVersion="v1", pendingSid=B)
    decision = decide(changed_back, items=(item(A, ONE), item(B, TWO)), in_settings=frozenset({A}))
    assert decision.actions == (Replace(B, by=A), Delete(B))
    assert decision.status["pendingSid"] is None


def test_of_other_resources_nothing_is_touched() -> None:
    other = ItemName(label="main", resource_tag="ffffffff", content_tag="1" * 8)
    decision = decide(credential(sid=A, secretVersion="v1"), items=(item(A, ONE), item(B, other), StoredItem(C, "x")))
    assert decision.actions == ()


class TestRotation:
    """The Secret has another pair than the one that `sid` stands for."""

    before = credential(sid=A, secretVersion="v1")

    def test_the_successor_is_created_first(self) -> None:
        assert decide(self.before, items=(item(A, ONE),), name=TWO, pair=NEXT).actions == (Create(TWO, NEXT),)

    def test_while_settings_have_the_old_one_it_waits_for_them(self) -> None:
        decision = decide(
            self.before,
            items=(item(A, ONE), item(B, TWO)),
            name=TWO,
            pair=NEXT,
            in_settings=frozenset({A}),
            referrers=("RecordingSettings here/x",),
        )
        assert decision.actions == ()
        assert (decision.status["sid"], decision.status["pendingSid"]) == (A, B)
        assert isinstance(decision.verdict, Waiting)
        assert "RecordingSettings here/x" in decision.verdict.message

    def test_a_successor_that_the_bucket_refuses_is_told_until_there_is_another(self) -> None:
        refusal = aws_credential.Refusal(
            settings="RecordingSettings here/x", sid=B, code="53615", reason="BucketAccessDenied"
        )
        facts: dict[str, Any] = {"pair": NEXT, "in_settings": frozenset({A}), "refusals": (refusal,)}
        verdict = decide(self.before, items=(item(A, ONE), item(B, TWO)), name=TWO, **facts).verdict
        assert isinstance(verdict, Stalled)
        assert verdict.reason == "KeyRefused"
        assert "RecordingSettings here/x (53615 BucketAccessDenied)" in verdict.message

        three = ItemName(label="main", resource_tag=TAG, content_tag="3" * 8)
        items = (item(A, ONE), item(C, three))
        assert decide(self.before, items=items, name=three, **facts).verdict.reason == "Rotating"

    def test_when_settings_have_switched_all_destinations_follow(self) -> None:
        decision = decide(
            credential(sid=A, secretVersion="v1", pendingSid=B),
            items=(item(A, ONE), item(B, TWO)),
            name=TWO,
            pair=NEXT,
            in_settings=frozenset({B}),
        )
        assert decision.actions == (Replace(A, by=B),)
        assert decision.status["sid"] == B
        assert decision.status["pendingSid"] is None
        assert [each["sid"] for each in decision.status["retiring"]] == [A]

    def test_a_third_pair_takes_the_place_of_a_successor_that_was_never_in_use(self) -> None:
        three = ItemName(label="main", resource_tag=TAG, content_tag="3" * 8)
        pending = credential(sid=A, secretVersion="v1", pendingSid=B)
        items = (item(A, ONE), item(B, TWO), item(C, three))
        decision = decide(pending, items=items, name=three, pair=NEXT, in_settings=frozenset({A}))
        assert decision.actions == (Replace(B, by=A), Delete(B))
        assert decision.status["pendingSid"] == C


@pytest.mark.parametrize(
    ("in_uploaders", "age", "watched", "goes"),
    [
        (frozenset(), 1, 0, True),
        (frozenset({A}), 1, 1, False),
        (frozenset({A}), 3600, 3600, True),
        (frozenset({A}), 7200, 1, False),
        (frozenset({A}), -7200, 3600, True),
        (None, 1, 1, False),
        (None, 3600, 3600, True),
    ],
)
def test_a_predecessor_goes_when_no_live_uploader_uses_it_or_after_an_hour(
    in_uploaders: frozenset[str] | None,
    age: float,
    watched: float,
    goes: bool,  # noqa: FBT001 - a parameter
) -> None:
    since = (NOW - timedelta(seconds=age)).isoformat()
    rotated = credential(sid=B, secretVersion="v1", retiring=[{"sid": A, "since": since}])
    decision = decide(rotated, items=(item(A, TWO), item(B, ONE)), in_uploaders=in_uploaders, watched={A: watched})
    assert (Delete(A) in decision.actions) is goes
    if not goes:
        assert decision.again_after is not None


def test_a_predecessor_that_settings_still_have_stays_however_old() -> None:
    rotated = credential(sid=B, secretVersion="v1", retiring=[{"sid": A, "since": "2020-01-01T00:00:00Z"}])
    decision = decide(rotated, items=(item(A, TWO), item(B, ONE)), in_settings=frozenset({A, B}))
    assert decision.actions == ()


def test_without_its_secret_the_store_goes_on_with_what_it_has() -> None:
    failure = Waiting("SecretNotFound", "Secret here/aws does not exist", ready=Truth.FALSE)
    decision = decide(
        credential(sid=A, secretVersion="v1"), items=(item(A, ONE),), name=None, pair=None, source_failure=failure
    )
    assert decision.actions == ()
    assert decision.verdict.reason == "SecretNotFound"
    assert f"keeps {A}" in decision.verdict.message


class TestDeletion:
    deleted = credential(sid=A, pendingSid=B)
    items = (item(A, ONE), item(B, TWO), item(C, TWO))

    def decide(self, **facts: Any) -> Any:
        return aws_credential.decide_deletion(self.deleted, observed(items=self.items, **facts))

    def test_all_that_was_made_for_it_goes(self) -> None:
        assert self.decide().actions == (Delete(A), Delete(B), Delete(C))

    @pytest.mark.parametrize(
        ("use", "by"),
        [
            ({"referrers": ("RecordingSettings here/x",), "in_settings": frozenset({A})}, UsedBy.OBJECTS),
            ({"in_settings": frozenset({A}), "in_uploaders": frozenset({A})}, UsedBy.STORE),
            ({"in_uploaders": frozenset({B})}, UsedBy.UPLOADERS),
        ],
    )
    def test_what_is_in_use_stays(self, use: dict[str, Any], by: UsedBy) -> None:
        decision = self.decide(**use)
        assert decision.actions == ()
        assert isinstance(decision.verdict, InUse)
        assert decision.verdict.by is by

    def test_an_account_that_is_gone_holds_nothing(self) -> None:
        assert self.decide(gone=True).finished


def key(fingerprint: str | None = None, **status: Any) -> PublicKey:
    meta = {"name": "k1", "namespace": "here", "uid": "uid-2", "generation": 1}
    source = {"type": "ConfigMap", "configMap": {"name": "keys"}}
    status |= {"fingerprint": fingerprint} if fingerprint else {}
    return PublicKey.parse(
        {"metadata": meta, "spec": {"accountRef": {"name": "default"}, "source": source}, "status": status}
    )


PEM = public_key.Pem(text="PEM", fingerprint="AA:BB")


def decide_key(resource: PublicKey, **facts: Any) -> Any:
    return public_key.decide(resource, public_key.Observed(**({"tag": TAG, "name": ONE, "pem": PEM} | facts)))


def test_a_public_key_is_created_once_and_doubles_go() -> None:
    assert decide_key(key()).actions == (public_key.Create(ONE, PEM),)
    assert decide_key(key(), items=(item(A, ONE),)).status == {"sid": A, "fingerprint": "AA:BB"}
    assert decide_key(key(), items=(item(A, ONE), item(B, ONE))).actions == (Delete(B),)


def test_a_public_key_never_changes_under_recordings_that_name_it() -> None:
    verdict = decide_key(key("CC:DD", sid=A), items=(item(A, ONE),)).verdict
    assert isinstance(verdict, Stalled)
    assert verdict.reason == "KeyChanged"
    assert "ConfigMap here/keys" in verdict.message


def test_a_public_key_stays_while_recordings_for_earlier_settings_are_on_a_spool() -> None:
    facts: dict[str, Any] = {"tag": TAG, "items": (item(A, ONE),)}
    held = public_key.decide_deletion(key(sid=A), public_key.Observed(**facts, spools_behind=("spool-1",)))
    assert held.actions == ()
    assert held.verdict is not None
    assert "spool-1" in held.verdict.message
    assert public_key.decide_deletion(key(sid=A), public_key.Observed(**facts)).actions == (Delete(A),)
