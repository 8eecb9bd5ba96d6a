"""No secret value is anywhere but in Secrets."""

import base64
import json

import pytest

from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import is_
from tests.s3.servers import Credentials

pytestmark = pytest.mark.slow
KINDS = ("RecordingAccount", "AwsCredential", "PublicKey", "RecordingSettings")


def test_a_planted_secret_is_found_in_no_object_event_log_or_database(world: World) -> None:
    world.all_ready()
    planted = "planted-secret-7d1f9a3c55"
    good = world.bucket.credentials
    world.apply(resources.aws_secret(world.namespace, Credentials("AKIAPLANTEDPLANTED00", planted)))
    world.until("RecordingSettings", "default", is_("BucketVerified", "False"))
    world.apply(resources.secret(world.namespace, "aws", {"accessKeyId": "A KIA", "secretAccessKey": f"{planted}\n"}))
    world.until("AwsCredential", "main", is_("RefsResolved", "False", "SecretInvalid"))

    values = [planted, good.secret_key, world.key()[1], world.store.token_file.read_text()]
    values += [base64.b64encode(each.encode()).decode() for each in values]
    places = {
        "objects": json.dumps([world.kube.list(resources.API, kind, namespace=world.namespace) for kind in KINDS]),
        "events": json.dumps(world.kube.list("v1", "Event", namespace=world.namespace)),
        "config maps": json.dumps(world.kube.list("v1", "ConfigMap")),
        "leases": json.dumps(world.kube.list("coordination.k8s.io/v1", "Lease")),
        "operator's log": world.operator.log,
        "store's log": world.store.log,
        "database": world.store.everything().decode("latin-1"),
    }
    for place, text in places.items():
        assert len(text) > 2, place
        for value in values:
            assert value not in text, f"a secret value is in {place}"


def test_events_are_few_and_counted(world: World) -> None:
    world.all_ready()
    for number in range(3):
        world.patch("RecordingSettings", "default", {"spec": {"friendlyName": f"name {number}"}})
        world.until(
            "RecordingSettings",
            "default",
            lambda each: each["status"]["observedGeneration"] == each["metadata"]["generation"],
        )
    events = world.kube.list("v1", "Event", namespace=world.namespace)
    assert len({each["metadata"]["name"] for each in events}) == len(events) <= 12
    changed = [each for each in events if each["reason"] == "SettingsChanged"]
    assert len(changed) == 1
