"""The models as the operator uses them."""

from datetime import UTC, datetime
from types import MappingProxyType

import pytest
from pydantic import ValidationError

from recording_storage.domain.conditions import Truth
from recording_storage.domain.policy import FatalErrorPolicy
from recording_storage.domain.states import Product
from recording_storage.resources import KINDS, AwsCredential, RecordingAccount, RecordingSettings, Resource
from recording_storage.resources.aws_credential import AwsCredentialStatus, RetiringCredential
from recording_storage.resources.common import Condition
from tests.resources.cases import TABLES
from tests.resources.manifest import Manifest, changed

SETTINGS = TABLES["settings"].good
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_spec_is_parsed_with_its_defaults() -> None:
    spec = RecordingSettings.parse(SETTINGS).spec
    assert spec.aws_storage.credential_ref is not None
    assert spec.aws_storage.credential_ref.name == "main"
    assert spec.products == (Product.VOICE, Product.VIDEO)
    assert spec.upload.fatal_error_policy is FatalErrorPolicy.RETAIN
    assert (spec.upload.retry_window, spec.upload.denial_grace) == ("2h", "10m")


def test_any_mapping_is_parsed() -> None:
    assert RecordingSettings.parse(MappingProxyType(SETTINGS)).spec == RecordingSettings.parse(SETTINGS).spec


def test_what_a_newer_schema_has_added_is_passed_over() -> None:
    newer = changed(SETTINGS, {"spec.mirror": {"url": "x"}, "metadata.managedFields": [{}], "status.extra": 1})
    assert RecordingSettings.parse(newer).spec == RecordingSettings.parse(SETTINGS).spec


def test_an_object_of_another_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="kind"):
        AwsCredential.parse(SETTINGS)


def test_a_request_to_reconcile_is_read_from_either_annotation() -> None:
    ours = {"metadata.annotations": {"recordingstorage.dev/reconcile-requested-at": "1"}}
    flux = {"metadata.annotations": {"reconcile.fluxcd.io/requestedAt": "2"}}
    assert RecordingSettings.parse(changed(SETTINGS, ours)).metadata.reconcile_requested_at == "1"
    assert RecordingSettings.parse(changed(SETTINGS, flux)).metadata.reconcile_requested_at == "2"
    assert RecordingSettings.parse(SETTINGS).metadata.reconcile_requested_at == ""


def test_a_status_is_dumped_in_camel_case_without_nulls() -> None:
    ready = Condition(
        type="Ready",
        status=Truth.TRUE,
        observed_generation=2,
        last_transition_time=NOW,
        reason="InSync",
        message="the store has this credential",
    )
    sid = "CR" + "0" * 32
    status = AwsCredentialStatus(
        observed_generation=2, conditions=[ready], sid=sid, retiring=[RetiringCredential(sid=sid, since=NOW)]
    )
    assert status.dump() == {
        "observedGeneration": 2,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "observedGeneration": 2,
                "lastTransitionTime": "2026-01-31T12:00:00Z",
                "reason": "InSync",
                "message": "the store has this credential",
            }
        ],
        "sid": sid,
        "retiring": [{"sid": sid, "since": "2026-01-31T12:00:00Z"}],
    }
    assert AwsCredentialStatus.model_validate(status.dump()) == status
    assert status.condition("Ready") == ready
    assert status.condition("Stalled") is None


def test_the_secret_of_an_account_has_a_name_of_its_own_unless_one_is_given() -> None:
    account = TABLES["account"].good
    assert RecordingAccount.parse(account).api_key_secret_name == "subject-api-key"
    named = changed(account, {"spec.apiKeySecretRef": {"name": "key"}})
    assert RecordingAccount.parse(named).api_key_secret_name == "key"


@pytest.mark.parametrize("table", TABLES)
def test_each_good_object_round_trips(table: str) -> None:
    good: Manifest = TABLES[table].good
    kind: type[Resource] = next(kind for kind in KINDS if kind.__name__ == good["kind"])
    parsed = kind.parse(good)
    assert kind.parse(parsed.dump()) == parsed
