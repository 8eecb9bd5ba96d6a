"""A credential that ends is not used beyond its end: looked up afresh, then held with a clear word."""

import json
from datetime import UTC, datetime

import pytest

from recording_storage.protocol.plan import AccountPlan, CredentialPlan
from recording_storage.s3.types import Credential
from recording_storage.uploader.core.plans import s3_credential, without_credentials
from recording_storage.uploader.core.usability import unusable
from recording_storage.uploader.scheduler import health
from tests.s3.gate import Gate
from tests.uploader.spools import SpoolFolder
from tests.uploader.store_link.conftest import account_plan

END = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SECRET = "a-secret-key"


def with_credential(raw: dict[str, object] | None) -> AccountPlan:
    """A plan as it comes over the wire."""
    document = json.loads(account_plan().to_json())
    for destination in document["destinations"].values():
        destination["credential"] = raw
    return AccountPlan.from_json(json.dumps(document))


KEYS = {"sid": "CR" + "2" * 32, "access_key_id": "AKIA1", "secret_access_key": SECRET}


@pytest.mark.parametrize(
    ("raw", "credential"),
    [
        (KEYS, Credential("AKIA1", SECRET)),
        ({"type": "StaticKeys", **KEYS}, Credential("AKIA1", SECRET)),
        (
            {"type": "StaticKeys", **KEYS, "session_token": "t", "expiration": "2026-01-31T13:00:00+01:00"},
            Credential("AKIA1", SECRET, "t", END.timestamp()),
        ),
        (None, None),
    ],
)
def test_a_plan_s_credential_is_read_with_and_without_its_type(
    raw: dict[str, object] | None, credential: Credential | None
) -> None:
    plan = with_credential(raw)
    [terms] = plan.destinations.values()
    assert (s3_credential(terms) if terms.keys is not None else None) == credential
    assert SECRET not in f"{without_credentials(plan).to_json()!r} {terms.to_json()!r} {terms!r} {terms}"


def test_a_type_that_this_version_does_not_know_holds_the_destination_and_nothing_else() -> None:
    plan = with_credential({"type": "PodIdentity", "sid": "CR" + "2" * 32, "role": "arn:x"})
    [terms] = plan.destinations.values()
    error = unusable(terms, live=True)
    assert error is not None
    assert "'PodIdentity'" in error.message
    assert "newer uploader" in error.message
    assert terms.credential is not None
    assert terms.credential.sid == "CR" + "2" * 32


def test_messages_say_the_type() -> None:
    keys = CredentialPlan.from_values({**KEYS, "expiration": END})
    assert json.loads(keys.to_json())["type"] == "StaticKeys"
    assert CredentialPlan(type="PodIdentity", sid="CR" + "2" * 32).type == "PodIdentity"


def test_expired_alone_it_is_held_until_the_file_has_another(
    gated: SpoolFolder, door: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FIRST_PROBE", 0.2)

    def write_end(moment: str) -> None:
        document = json.loads(gated.config.read_text())
        document["destination"]["expiration"] = moment
        fresh = gated.config.with_suffix(".new")
        fresh.write_text(json.dumps(document))
        fresh.rename(gated.config)

    write_end("2020-01-31T12:00:00Z")
    gated.put("a.wav")
    with gated.running() as running:
        held = running.await_states({"a.wav": "held"})["a.wav"]
        assert held.error is not None
        assert held.error.code == "ExpiredToken"
        assert "has expired at 2020-01-31T12:00:00Z" in held.error.message
        assert gated.bucket.keys() == []
        write_end("2990-01-31T12:00:00Z")
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()
