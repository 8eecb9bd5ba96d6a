"""What the bucket says is told in the condition BucketVerified, and mending the bucket is enough."""

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import condition, is_
from tests.s3.servers import least_rights

pytestmark = pytest.mark.slow


def test_a_refused_bucket_is_told_and_recovers_when_its_policy_is_mended(world: World) -> None:
    server, user = world.bucket.server, world.bucket.user
    server.set_policy(user.name, least_rights(world.bucket.name, "elsewhere/"))
    world.apply(
        resources.account(world.namespace),
        resources.aws_secret(world.namespace, world.bucket.credentials),
        resources.aws_credential(world.namespace),
        resources.settings(world.namespace, world.bucket.url),
    )
    found = world.until("RecordingSettings", "default", is_("BucketVerified", "False", "BucketAccessDenied"))
    assert condition(found, "Ready")["status"] == "False"
    assert condition(found, "Stalled")["status"] == "True"
    assert "s3:PutObject" in condition(found, "Ready")["message"]
    assert world.stored("GET", "/v1/RecordingSettings/Default")["aws_storage_enabled"] is False

    server.set_policy(user.name, least_rights(world.bucket.name, world.bucket.prefix))
    found = world.ready("RecordingSettings", "default")
    assert not condition(found, "Stalled")
    assert world.bucket.uploads() == []


def test_a_bucket_that_does_not_exist_is_not_taken_for_missing_rights_alone(world: World) -> None:
    world.all_ready()
    url = world.bucket.url.replace(world.bucket.name, "no-such-bucket")
    world.patch("RecordingSettings", "default", {"spec": {"awsStorage": {"url": url}}})
    found = world.until("RecordingSettings", "default", is_("BucketVerified", "False", "BucketAccessDenied"))
    message = condition(found, "Ready")["message"]
    assert "the bucket does not exist or belongs to somebody else" in message
    assert "s3:ListBucketMultipartUploads" in message
    assert "spec.awsStorage.url" in message


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/bucket/calls", "InvalidBucketUrl"),
        ("https://169.254.169.254/bucket/calls", "InvalidBucketUrl"),
    ],
)
def test_a_wrong_url_is_told_and_recovers_when_it_is_corrected(world: World, url: str, reason: str) -> None:
    world.all_ready()
    world.patch("RecordingSettings", "default", {"spec": {"awsStorage": {"url": url}}})
    found = world.until("RecordingSettings", "default", is_("BucketVerified", "False", reason))
    assert "spec.awsStorage.url" in condition(found, "Ready")["message"]
    assert world.stored("GET", "/v1/RecordingSettings/Default")["aws_s3_url"] == world.bucket.url, "nothing was changed"

    world.patch("RecordingSettings", "default", {"spec": {"awsStorage": {"url": world.bucket.url}}})
    world.ready("RecordingSettings", "default")


def test_external_storage_is_switched_off_and_on(world: World) -> None:
    world.all_ready()
    for enabled in (False, True):
        world.patch("RecordingSettings", "default", {"spec": {"awsStorage": {"enabled": enabled}}})
        found = world.ready("RecordingSettings", "default")
        assert world.stored("GET", "/v1/VoiceRecordingSettings/Default")["aws_storage_enabled"] is enabled
        assert bool(condition(found, "BucketVerified")) is enabled
