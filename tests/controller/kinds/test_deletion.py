"""What is in use stays at the store; a finalizer never hangs on a store that is gone."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.live import LiveUploader
from tests.controller.watching import condition, is_

pytestmark = pytest.mark.slow


def test_a_credential_in_use_is_not_deleted_until_nothing_refers_to_it(world: World) -> None:
    world.all_ready()
    world.delete("AwsCredential", "main")
    found = world.until("AwsCredential", "main", is_("DeletionBlocked", "True", "InUse"))
    assert f"RecordingSettings {world.namespace}/default" in condition(found, "DeletionBlocked")["message"]
    assert len(world.credentials()) == 1

    world.patch("RecordingSettings", "default", {"spec": {"awsStorage": {"enabled": False, "credentialRef": None}}})
    world.until_gone("AwsCredential", "main")
    assert world.credentials() == []


def test_a_credential_that_a_live_uploader_uses_waits_for_it(world: World) -> None:
    world.all_ready()
    sid = world.get("AwsCredential", "main")["status"]["sid"]
    uploader = LiveUploader(world.store, world.account_sid())
    uploader.sync(credentials=[sid])
    world.patch("RecordingSettings", "default", {"spec": {"awsStorage": {"enabled": False, "credentialRef": None}}})
    world.ready("RecordingSettings", "default")
    world.delete("AwsCredential", "main")
    found = world.until("AwsCredential", "main", is_("DeletionBlocked", "True", "InUse"))
    assert f"a live uploader still uses {sid}" in condition(found, "DeletionBlocked")["message"]
    uploader.sync(credentials=[])
    world.annotate("AwsCredential", "main", "reconcile-requested-at", "1")
    world.until_gone("AwsCredential", "main")


def test_settings_are_disabled_and_an_account_closed_when_their_policies_say_so(world: World, rsa_pem: str) -> None:
    world.apply(resources.public_key(world.namespace, rsa_pem))
    world.all_ready()
    world.patch("RecordingSettings", "default", {"spec": {"deletionPolicy": "Disable"}})
    world.patch("RecordingAccount", "default", {"spec": {"deletionPolicy": "Close"}})
    world.ready("RecordingSettings", "default")
    world.ready("RecordingAccount", "default")
    sid = world.account_sid()

    world.delete("RecordingAccount", "default")
    found = world.until("RecordingAccount", "default", is_("DeletionBlocked", "True", "InUse"))
    assert "AwsCredential" in condition(found, "DeletionBlocked")["message"]
    world.delete("RecordingSettings", "default")
    world.until_gone("RecordingSettings", "default")
    assert world.stored("GET", "/v1/RecordingSettings/Default")["aws_storage_enabled"] is False
    assert world.store.internal("GET", f"/accounts/{sid}/settings/video")["owner"] == ""
    world.delete("AwsCredential", "main")
    world.delete("PublicKey", "k1")
    world.until_gone("RecordingAccount", "default")
    info = world.store.internal("GET", f"/accounts/{sid}")
    assert info["status"] == "closed"
    assert world.store.internal("GET", f"/accounts/{sid}/bindings") == {"bindings": []}


def test_settings_stay_when_their_policy_is_retain(world: World) -> None:
    world.all_ready()
    world.delete("RecordingSettings", "default")
    world.until_gone("RecordingSettings", "default")
    assert world.stored("GET", "/v1/RecordingSettings/Default")["aws_storage_enabled"] is True
    world.delete("AwsCredential", "main")
    found = world.until("AwsCredential", "main", is_("DeletionBlocked", "True", "InUse"))
    assert "the account's settings at the store use" in condition(found, "DeletionBlocked")["message"]


def test_a_store_that_is_gone_does_not_hold_a_deletion_that_is_annotated(world: World) -> None:
    world.all_ready()
    world.store.kill()
    world.delete("RecordingSettings", "default")
    found = world.until("RecordingSettings", "default", is_("Ready", "Unknown", "StoreUnavailable"))
    assert "recordingstorage.dev/abandon=true" in condition(found, "Ready")["message"]
    world.annotate("RecordingSettings", "default", "abandon")
    world.until_gone("RecordingSettings", "default")
    world.store.start()


def test_what_never_was_at_a_store_is_deleted_without_one(world: World) -> None:
    world.apply(resources.aws_credential(world.namespace), resources.settings(world.namespace, world.bucket.url))
    world.until("AwsCredential", "main", is_("RefsResolved", "False", "AccountNotFound"))
    world.until("RecordingSettings", "default", is_("RefsResolved", "False", "AccountNotFound"))
    world.delete("AwsCredential", "main")
    world.delete("RecordingSettings", "default")
    world.until_gone("RecordingSettings", "default")
    world.until_gone("AwsCredential", "main")
