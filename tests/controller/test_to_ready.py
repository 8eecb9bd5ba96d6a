"""All four kinds come to Ready against the real parts."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World

pytestmark = pytest.mark.slow


def test_four_kinds_come_to_ready_and_the_store_has_what_they_say(world: World, rsa_pem: str) -> None:
    world.apply(resources.public_key(world.namespace, rsa_pem))
    found = world.all_ready()
    world.patch(
        "RecordingSettings", "default", {"spec": {"encryption": {"enabled": True, "publicKeyRef": {"name": "k1"}}}}
    )
    found = world.ready("RecordingSettings", "default")

    key = world.ready("PublicKey", "k1")
    credential = world.ready("AwsCredential", "main")
    for path in ("/v1/RecordingSettings/Default", "/v1/VoiceRecordingSettings/Default"):
        echo = world.stored("GET", path)
        assert echo["aws_storage_enabled"] is True
        assert echo["aws_s3_url"] == world.bucket.url
        assert echo["aws_credentials_sid"] == credential["status"]["sid"]
        assert echo["encryption_key_sid"] == key["status"]["sid"]
    assert found["status"]["uploaders"] == {"total": 0, "inSync": 0}
    assert {each["type"] for each in found["status"]["conditions"]} == {
        "Ready",
        "RefsResolved",
        "Synced",
        "BucketVerified",
        "UploadersInSync",
    }
    assert world.bucket.uploads() == []
    for kind, name in (("RecordingAccount", "default"), ("AwsCredential", "main"), ("RecordingSettings", "default")):
        metadata = world.get(kind, name)["metadata"]
        assert metadata["finalizers"] == ["recordingstorage.dev/store"]
        of_status = [each for each in metadata["managedFields"] if each.get("subresource") == "status"]
        managers = {each["manager"] for each in of_status}
        assert managers == {"recording-storage-operator"}
        assert not metadata.get("annotations"), "nothing copies the spec into an annotation"
