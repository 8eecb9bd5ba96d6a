"""Pods that ask for an uploader, on the real API server: whoever has none gets an event."""

import pytest

from recording_storage.controller.kinds.recorder_pod.decide import UPLOADER
from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.watching import condition, is_
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def recorder(name: str, **spec: object) -> Document:
    metadata = {
        "name": name,
        "labels": {"recordingstorage.dev/inject": "true"},
        "annotations": {"recordingstorage.dev/spool-volume": "spool"},
    }
    containers = [{"name": "recorder", "image": "r", "volumeMounts": [{"name": "spool", "mountPath": "/spool"}]}]
    volumes = [{"name": "spool", "persistentVolumeClaim": {"claimName": "spool"}}]
    filled = {"containers": containers, "volumes": volumes, "securityContext": {"runAsUser": 1000}, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": filled}


def events(world: World, pod: str) -> list[Document]:
    listed = world.kube.list("v1", "Event", namespace=world.namespace)
    return [each for each in listed if each["involvedObject"].get("name") == pod]


def test_a_pod_without_an_uploader_gets_an_event_with_the_remedy(world: World) -> None:
    stripped = [{"name": UPLOADER, "image": "u"}]
    world.kube.apply([recorder("plain"), recorder("stripped", initContainers=stripped)], namespace=world.namespace)
    well = [{"name": UPLOADER, "image": "u", "restartPolicy": "Always"}]
    world.kube.apply(recorder("well", initContainers=well), namespace=world.namespace)
    eventually(lambda: events(world, "plain") and events(world, "stripped"), what="both are told of")
    (plain,), (other,) = events(world, "plain"), events(world, "stripped")
    assert (plain["type"], plain["reason"]) == ("Warning", "NotInjected")
    assert "create the pod anew" in plain["message"]
    assert (plain["involvedObject"]["kind"], plain["involvedObject"]["apiVersion"]) == ("Pod", "v1")
    pod = world.kube.get("v1", "Pod", "plain", namespace=world.namespace)
    assert plain["involvedObject"]["uid"] == pod["metadata"]["uid"]
    assert other["reason"] == "UploaderStripped"
    assert events(world, "well") == []


def test_a_pod_that_comes_later_is_told_of_too(world: World) -> None:
    world.kube.apply(recorder("first"), namespace=world.namespace)
    eventually(lambda: events(world, "first"), what="the watch is there")
    world.kube.apply(recorder("later"), namespace=world.namespace)
    eventually(lambda: events(world, "later"), what="it is told of")


def test_the_spool_of_its_claim_tells_it(world: World) -> None:
    world.apply(resources.account(world.namespace))
    spec = {"volume": {"claimName": "spool"}, "accountRef": {"name": "default"}}
    world.apply(resources.resource("RecordingSpool", "calls", world.namespace, spec))
    world.until("RecordingSpool", "calls", is_("Attended", "Unknown", "NeverReported"))
    world.kube.apply(recorder("plain"), namespace=world.namespace)
    found = world.until("RecordingSpool", "calls", is_("Attended", "False", "NotInjected"))
    assert condition(found, "Attended")["message"].startswith("pod plain: this pod has no uploader")
    world.ready("RecordingSpool", "calls")
    path = f"/api/v1/namespaces/{world.namespace}/pods/plain"
    world.kube.request("DELETE", path, {"gracePeriodSeconds": 0})
    world.until("RecordingSpool", "calls", is_("Attended", "Unknown", "NeverReported"))
