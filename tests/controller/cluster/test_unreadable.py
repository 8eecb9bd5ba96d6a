"""What a newer definition lets through is told where this version does not understand it, and can go."""

from collections.abc import Iterator
from typing import Any

import pytest

from recording_storage.controller.cluster.index import Index, key_of, read_object
from recording_storage.controller.cluster.unreadable import Unread
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.resources import AwsCredential
from tests.cluster.kube import Document, Kube, KubeError
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.one_look import ApiServer, Told, Written, look
from tests.controller.watching import condition, is_
from tests.waiting import eventually

CREDENTIAL = {
    "metadata": {"name": "main", "namespace": "here", "uid": "u", "resourceVersion": "7"},
    "spec": {
        "accountRef": {"name": "default"},
        "source": {"type": "StaticKeys", "staticKeys": {"secretRef": {"name": "keys"}}},
    },
}
ACCOUNT = Key(Kind.ACCOUNT, "here", "default")


def credential(**changes: Any) -> Document:
    return CREDENTIAL | {"spec": CREDENTIAL["spec"] | changes}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"deletionPolicy": "Archive-s3cr3t"}, "spec.deletionPolicy: Input should be 'Delete' or 'Retain'"),
        ({"source": {"type": "Vault-s3cr3t"}}, "spec.source.type"),
        ({"accountRef": None}, "spec.accountRef"),
        ({"accountRef": {"name": 7}}, "spec.accountRef.name"),
        ({"friendlyName": {"s3cr3t": 1}, "deletionPolicy": 1}, "spec.friendlyName"),
    ],
)
def test_it_is_read_by_its_metadata_and_the_fault_is_named(changes: dict[str, Any], named: str) -> None:
    found = read_object(Kind.CREDENTIAL, credential(**changes))
    assert isinstance(found, Unread)
    assert key_of(found) == Key(Kind.CREDENTIAL, "here", "main")
    assert named in found.fault
    assert "s3cr3t" not in found.fault


def test_its_account_stays_for_it_and_nothing_else_does() -> None:
    index = Index()
    index.put(read_object(Kind.CREDENTIAL, credential()))
    newer = credential(deletionPolicy="Archive")
    newer["metadata"] = newer["metadata"] | {"resourceVersion": "8"}
    index.put(read_object(Kind.CREDENTIAL, newer))
    assert index.referrers(ACCOUNT) == [Key(Kind.CREDENTIAL, "here", "main")]
    assert index.referrers(Key(Kind.SECRET, "here", "keys")) == []


def test_of_a_status_only_what_is_not_understood_is_dropped() -> None:
    sid = f"CR{'1' * 32}"
    found = read_object(Kind.CREDENTIAL, credential() | {"status": {"sid": sid, "retiring": "later", "new": 1}})
    assert isinstance(found, AwsCredential)
    assert (found.status.sid, found.status.retiring) == (sid, None)
    both = credential(deletionPolicy="Archive") | {"status": {"conditions": 7, "observedGeneration": 3}}
    assert isinstance(read_object(Kind.CREDENTIAL, both), Unread)


@pytest.mark.parametrize("kind", list(Kind)[:4])
def test_no_object_is_too_odd(kind: Kind) -> None:
    for item in ({}, {"spec": 7}, {"spec": {"accountRef": 7}}, {"status": 7}, {"status": {"conditions": [7]}}):
        found = read_object(kind, {"metadata": CREDENTIAL["metadata"]} | item)
        assert key_of(found).kind is kind


def archived(**meta: Any) -> ApiServer:
    base = {"name": "default", "namespace": "here", "uid": "u", "generation": 1, "resourceVersion": "1"}
    spec = {"deletionPolicy": "Archive"}
    return ApiServer({"metadata": base | meta, "spec": spec, "status": {"accountSid": "AC1"}})


async def test_it_is_told_and_keeps_the_status_that_it_has() -> None:
    server = archived()
    await look(server, Written())
    assert server.condition("Stalled")["reason"] == "NotUnderstood"
    assert "spec.deletionPolicy" in server.condition("Ready")["message"]
    assert server.item["status"]["accountSid"] == "AC1"
    assert "finalizers" not in server.item["metadata"], "nothing is done for it, so nothing holds it"


@pytest.mark.parametrize("annotations", [{}, {"recordingstorage.dev/abandon": "true"}])
async def test_it_goes_by_its_metadata_alone(annotations: dict[str, str]) -> None:
    held = ["recordingstorage.dev/store", "example.com/other"]
    server = archived(finalizers=held, annotations=annotations, deletionTimestamp="2026-01-01T00:00:00Z")
    told = Told()
    await look(server, Written(), told=told)
    assert server.item["metadata"]["finalizers"] == ["example.com/other"]
    assert told.reasons == ["Abandoned"]


CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}.recordingstorage.dev"


@pytest.fixture
def newer_definitions(kube: Kube, crds: list[Document]) -> Iterator[None]:
    """Those of a version to come, whose credentials and settings know another deletion policy."""
    del crds
    for plural in ("awscredentials", "recordingsettings"):
        place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionPolicy/enum/-"
        change = [{"op": "add", "path": place, "value": "Archive"}]
        kube.request("PATCH", CRD.format(plural), change, content_type="application/json-patch+json")
    yield
    for plural in ("awscredentials", "recordingsettings"):
        place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionPolicy/enum/2"
        kube.request(
            "PATCH", CRD.format(plural), [{"op": "remove", "path": place}], content_type="application/json-patch+json"
        )


def archive(world: World, kind: str, name: str) -> None:
    """Once the API server serves the definition, of which it tells nobody."""

    def taken() -> bool:
        try:
            world.patch(kind, name, {"spec": {"deletionPolicy": "Archive"}})
        except KubeError:
            return False
        return True

    eventually(taken, what="the definition is served")


@pytest.mark.slow
@pytest.mark.usefixtures("newer_definitions")
def test_what_a_newer_definition_lets_through_is_told_and_can_go(world: World) -> None:
    world.all_ready()
    archive(world, "AwsCredential", "main")
    found = world.until("AwsCredential", "main", is_("Stalled", "True", "NotUnderstood"))
    sid = found["status"]["sid"]
    world.apply(resources.settings(world.namespace, world.bucket.url, friendlyName="later"))
    found = world.until("RecordingSettings", "default", is_("Ready", "False", "AwsCredentialNotReady"))
    assert "NotUnderstood" in condition(found, "Ready")["message"]
    assert world.credentials() == [sid], "what is in force stays so"

    world.patch("AwsCredential", "main", {"spec": {"deletionPolicy": "Delete"}})
    world.ready("RecordingSettings", "default")
    archive(world, "RecordingSettings", "default")
    archive(world, "AwsCredential", "main")
    world.until("RecordingSettings", "default", is_("Stalled", "True", "NotUnderstood"))
    world.delete("RecordingSettings", "default")
    world.until_gone("RecordingSettings", "default")
    world.delete("AwsCredential", "main")
    world.until_gone("AwsCredential", "main")
    assert world.credentials() == [sid]
    world.delete("RecordingAccount", "default")
    world.until_gone("RecordingAccount", "default")
