"""What somebody changes at the store behind the resource's back is put back, or only reported."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import condition, is_

pytestmark = pytest.mark.slow
VIDEO = "/v1/RecordingSettings/Default"


def test_drift_is_put_back_at_the_interval(world: World) -> None:
    world.all_ready()
    before = world.get("RecordingSettings", "default")["status"]["revision"]
    world.stored("POST", VIDEO, {"FriendlyName": "drifted", "KeyTemplate": "x/{recording_sid}"})
    world.until("RecordingSettings", "default", lambda found: found["status"]["revision"] >= before + 2)
    echo = world.stored("GET", VIDEO)
    assert (echo["friendly_name"], echo["key_template"]) == ("production", "{recording_sid}{ext}")
    events = world.kube.list("v1", "Event", namespace=world.namespace)
    assert any(each["reason"] == "DriftCorrected" and "key_template" in each["message"] for each in events)


def test_without_drift_nothing_is_set_again(world: World) -> None:
    found = world.all_ready()
    for number in range(3):
        request = {"metadata": {"annotations": {"recordingstorage.dev/reconcile-requested-at": f"{number}"}}}
        world.patch("RecordingSettings", "default", request)
        after = world.until(
            "RecordingSettings",
            "default",
            lambda each, n=number: each["status"].get("lastHandledReconcileAt") == f"{n}",
        )
    assert after["status"]["revision"] == found["status"]["revision"]


def test_observe_reports_drift_and_changes_nothing(world: World) -> None:
    world.all_ready()
    world.patch("RecordingSettings", "default", {"spec": {"mode": "Observe"}})
    world.ready("RecordingSettings", "default")
    world.stored("POST", VIDEO, {"FriendlyName": "drifted"})
    request = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}}
    world.patch("RecordingSettings", "default", request)
    found = world.until("RecordingSettings", "default", is_("Synced", "False", "Drifted"))
    assert "video: friendly_name" in condition(found, "Ready")["message"]
    assert world.stored("GET", VIDEO)["friendly_name"] == "drifted"

    world.patch("RecordingSettings", "default", {"spec": {"mode": "Manage"}})
    world.ready("RecordingSettings", "default")
    assert world.stored("GET", VIDEO)["friendly_name"] == "production"


def test_suspend_leaves_the_store_alone(world: World) -> None:
    world.all_ready()
    world.patch("RecordingSettings", "default", {"spec": {"suspend": True, "friendlyName": "later"}})
    found = world.until("RecordingSettings", "default", is_("Synced", "Unknown", "Suspended"))
    assert world.stored("GET", VIDEO)["friendly_name"] == "production"
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]

    world.patch("RecordingSettings", "default", {"spec": {"suspend": False}})
    world.ready("RecordingSettings", "default")
    assert world.stored("GET", VIDEO)["friendly_name"] == "later"


def test_of_two_for_one_product_the_one_that_the_store_has_as_owner_stays(world: World) -> None:
    world.all_ready()
    world.apply(resources.settings(world.namespace, world.bucket.url, "another", friendlyName="another"))
    found = world.until("RecordingSettings", "another", is_("Stalled", "True", "Conflict"))
    assert f"managed by RecordingSettings {world.namespace}/default" in condition(found, "Ready")["message"]
    assert world.stored("GET", VIDEO)["friendly_name"] == "production"

    world.delete("RecordingSettings", "default")
    world.ready("RecordingSettings", "another")
    assert world.stored("GET", VIDEO)["friendly_name"] == "another"


def test_two_settings_may_share_an_account_by_product(world: World) -> None:
    world.all_ready()
    world.patch("RecordingSettings", "default", {"spec": {"products": ["voice"]}})
    world.apply(
        resources.settings(world.namespace, world.bucket.url, "video", friendlyName="video", products=["video"])
    )
    world.ready("RecordingSettings", "video")
    world.ready("RecordingSettings", "default")
    assert world.stored("GET", VIDEO)["friendly_name"] == "video"
    assert world.stored("GET", "/v1/VoiceRecordingSettings/Default")["friendly_name"] == "production"


def test_a_credential_deleted_at_the_store_is_made_anew(world: World) -> None:
    world.all_ready()
    old = world.get("AwsCredential", "main")["status"]["sid"]
    for path in (VIDEO, "/v1/VoiceRecordingSettings/Default"):
        world.stored("POST", path, {"FriendlyName": "off", "AwsStorageEnabled": "false", "AwsCredentialsSid": ""})
    world.stored("DELETE", f"/v1/Credentials/AWS/{old}")
    for kind, name in (("AwsCredential", "main"), ("RecordingSettings", "default")):
        world.patch(kind, name, {"metadata": {"annotations": {"recordingstorage.dev/reconcile-requested-at": "x"}}})
    world.until("AwsCredential", "main", lambda found: found["status"]["sid"] != old)
    new = world.get("AwsCredential", "main")["status"]["sid"]
    world.until("RecordingSettings", "default", lambda f: f["status"]["effective"][0].get("credentialSid") == new)
    world.ready("RecordingSettings", "default")
