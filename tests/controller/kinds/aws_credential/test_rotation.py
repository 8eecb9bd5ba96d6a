"""A rotation never leaves a moment without a working credential."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.live import LiveUploader
from tests.controller.watching import condition, is_
from tests.s3.servers import Credentials

pytestmark = pytest.mark.slow
NOW = {"metadata": {"annotations": {"recordingstorage.dev/reconcile-requested-at": "now"}}}


def test_a_changed_secret_reaches_the_store_and_the_old_one_goes_when_no_uploader_uses_it(world: World) -> None:
    world.all_ready()
    old = world.get("AwsCredential", "main")["status"]["sid"]
    uploader = LiveUploader(world.store, world.account_sid())
    assert uploader.credential_of(uploader.sync(credentials=[old])) == {old}

    second = world.bucket.server.rotate_key(world.bucket.user)
    world.apply(resources.aws_secret(world.namespace, second.credentials))

    found = world.until("AwsCredential", "main", lambda each: each["status"].get("retiring"))
    new = found["status"]["sid"]
    assert new != old
    assert [each["sid"] for each in found["status"]["retiring"]] == [old]
    world.ready("RecordingSettings", "default")
    assert world.stored("GET", "/v1/RecordingSettings/Default")["aws_credentials_sid"] == new
    assert uploader.credential_of(uploader.sync(credentials=[old])) == {new}, "every destination has the new one"
    assert set(world.credentials()) == {old, new}, "the uploader has said that it still uses the old one"

    uploader.sync(credentials=[new])
    world.patch("AwsCredential", "main", NOW)
    world.until("AwsCredential", "main", lambda each: not each["status"].get("retiring"))
    assert world.credentials() == [new]


def test_a_secret_that_is_changed_to_a_wrong_key_keeps_the_old_one_at_work(world: World) -> None:
    world.all_ready()
    old = world.get("AwsCredential", "main")["status"]["sid"]
    wrong = Credentials("AKIAIOSFODNN7WRONG00", "wrong-secret-wrong-secret-wrong-secret-00")
    world.apply(resources.aws_secret(world.namespace, wrong))

    found = world.until("RecordingSettings", "default", is_("BucketVerified", "False", "InvalidAwsCredentials"))
    assert f"{old} stays in use" in condition(found, "Ready")["message"]
    ready = condition(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "EarlierKeyInUse"), "nothing is interrupted"
    assert not [each for each in found["status"]["conditions"] if each["type"] == "Stalled"]
    assert "wrong-secret" not in str(found)
    credential = world.until("AwsCredential", "main", is_("Ready", "False", "KeyRefused"))
    assert credential["status"]["sid"] == old
    assert condition(credential, "Stalled")["status"] == "True"
    message = condition(credential, "Ready")["message"]
    assert f"RecordingSettings {world.namespace}/default (53611 InvalidAwsCredentials)" in message
    assert f"Secret {world.namespace}/aws" in message
    assert f"{old} stays in use" in message
    row = columns(world, "AwsCredential", "main")
    assert (row["Ready"], row["Reason"], row["Sid"]) == ("False", "KeyRefused", old)
    assert row["Pending"] == credential["status"]["pendingSid"]
    assert world.stored("GET", "/v1/RecordingSettings/Default")["aws_credentials_sid"] == old

    world.patch("RecordingSettings", "default", {"spec": {"friendlyName": "meanwhile"}})
    world.until("RecordingSettings", "default", is_("BucketVerified", "False"))
    echo = world.stored("GET", "/v1/RecordingSettings/Default")
    assert (echo["friendly_name"], echo["aws_credentials_sid"]) == ("meanwhile", old), "other changes don't wait for it"

    second = world.bucket.server.rotate_key(world.bucket.user)
    world.apply(resources.aws_secret(world.namespace, second.credentials))
    found = world.until("AwsCredential", "main", lambda each: each["status"]["sid"] != old)
    world.ready("RecordingSettings", "default")
    world.ready("AwsCredential", "main")
    assert world.credentials() == [world.get("AwsCredential", "main")["status"]["sid"]], (
        "nothing is left of the two others"
    )


def columns(world: World, kind: str, name: str) -> dict[str, str]:
    """What `kubectl get` shows, as the API server makes it."""
    path = world.kube.path_of(resources.API, kind, name, namespace=world.namespace)
    table = world.kube.request("GET", path, accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    return dict(zip((each["name"] for each in table["columnDefinitions"]), table["rows"][0]["cells"], strict=True))


def test_a_secret_that_is_changed_back_leaves_nothing_of_the_attempt(world: World) -> None:
    world.all_ready()
    old = world.get("AwsCredential", "main")["status"]["sid"]
    world.apply(resources.aws_secret(world.namespace, Credentials("AKIAIOSFODNN7WRONG00", "wrong-secret-wrong")))
    world.until("AwsCredential", "main", is_("Ready", "False", "KeyRefused"))
    world.apply(resources.aws_secret(world.namespace, world.bucket.credentials))
    found = world.ready("AwsCredential", "main")
    settings = world.until("RecordingSettings", "default", is_("Ready", "True", "Succeeded"))
    assert found["status"]["sid"] == old
    assert "pendingSid" not in found["status"]
    assert "refusedCredential" not in settings["status"]
    assert world.credentials() == [old]


def test_uploaders_in_sync_counts_those_that_run_the_revision(world: World) -> None:
    found = world.all_ready()
    uploader = LiveUploader(world.store, world.account_sid())
    uploader.sync(revision=0)
    world.patch("RecordingSettings", "default", NOW)
    found = world.until("RecordingSettings", "default", is_("UploadersInSync", "False", "Behind"))
    assert (
        condition(found, "UploadersInSync")["message"] == f"0 of 1 uploaders run revision {found['status']['revision']}"
    )
    uploader.sync(revision=found["status"]["revision"])
    found = world.until("RecordingSettings", "default", is_("UploadersInSync", "True", "InSync"))
    assert condition(found, "Ready")["status"] == "True"
