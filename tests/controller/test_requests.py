"""A request to look now is acted upon and acknowledged, whatever its annotation holds."""

import pytest

from recording_storage.controller.core.decision import Decision
from recording_storage.resources.common import FLUX_RECONCILE_ANNOTATION, MAX_REQUEST, RECONCILE_ANNOTATION
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.one_look import ApiServer, Written, item, look


@pytest.mark.parametrize("name", [RECONCILE_ANNOTATION, FLUX_RECONCILE_ANNOTATION])
@pytest.mark.parametrize(
    ("value", "handled"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("ä" * MAX_REQUEST, "ä" * MAX_REQUEST),
        ("x" * 300, "sha256:" + "0d4e2ca9e9cbced7a7a5380eb29e1a3783b9b6d0db72de36a1051038e1c1fbc7"),
    ],
)
async def test_a_request_is_acknowledged(name: str, value: str, handled: str) -> None:
    server = ApiServer(item(annotations={name: value}))
    await look(server, Written(Decision(message="fine")))
    assert server.item["status"]["lastHandledReconcileAt"] == handled


@pytest.mark.slow
def test_a_rotation_goes_on_beside_a_long_annotation(world: World) -> None:
    world.all_ready()
    request = {"metadata": {"annotations": {RECONCILE_ANNOTATION: "x" * 300}}}
    for kind, name in (("AwsCredential", "main"), ("RecordingSettings", "default")):
        world.patch(kind, name, request)
    before = world.get("AwsCredential", "main")["status"]["sid"]
    rotated = world.bucket.server.rotate_key(world.bucket.user).credentials
    world.apply(resources.aws_secret(world.namespace, rotated))
    world.until("AwsCredential", "main", lambda each: each["status"]["sid"] != before)
    found = world.until("RecordingSettings", "default", lambda each: "lastHandledReconcileAt" in each["status"])
    assert found["status"]["lastHandledReconcileAt"].startswith("sha256:")
