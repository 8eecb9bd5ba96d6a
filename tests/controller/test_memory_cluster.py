"""The API server in memory takes the operator's patches of a Secret as the real one does."""

from typing import Any

import pytest

from recording_storage.controller.cluster.identity import Identity
from recording_storage.controller.cluster.kube import MERGE_PATCH, STRATEGIC_MERGE_PATCH, Document, Kube, KubeError
from recording_storage.resources.common import API_VERSION
from tests.cluster import kube as real
from tests.cluster.cluster import Cluster
from tests.controller import resources
from tests.controller.memory_cluster import MemoryCluster, path_of

pytestmark = pytest.mark.slow
NOT_FOUND, CONFLICT, UNSUPPORTED = 404, 409, 415


def owner(uid: str, **more: Any) -> Document:
    return {"apiVersion": API_VERSION, "kind": "RecordingAccount", "name": "default", "uid": uid} | more


def gone(uid: str) -> Document:
    return {"$patch": "delete", "uid": uid}


PATCHES = {
    "data beside other data": {"data": {"password": "eA=="}},
    "an annotation beside another": {"metadata": {"annotations": {"of-ours": "1"}}},
    "an annotation taken away": {"metadata": {"annotations": {"of-others": None}}},
    "an owner beside others": {"metadata": {"ownerReferences": [owner("c")]}},
    "an owner who is there, changed": {"metadata": {"ownerReferences": [owner("a", controller=True)]}},
    "an owner less": {"metadata": {"ownerReferences": [gone("a")]}},
    "no owner any more": {"metadata": {"ownerReferences": [gone("a"), gone("b")]}},
    "an owner less who is not there": {"metadata": {"ownerReferences": [gone("c")]}},
    "another Secret's": {"metadata": {"uid": "another", "annotations": {"of-ours": "1"}}},
}


def secret(namespace: str) -> Document:
    document = resources.secret(namespace, "key", {"username": "SK1"})
    document["metadata"] |= {"annotations": {"of-others": "1"}, "ownerReferences": [owner("a"), owner("b")]}
    return document


def shown(document: Document) -> Document:
    metadata = document["metadata"]
    if document["kind"] != "Secret":
        return {"status": document.get("status", {}).get("apiKeySid")}
    owners = sorted(metadata.get("ownerReferences", ()), key=lambda each: each["uid"])
    return {"data": document["data"], "annotations": metadata.get("annotations", {}), "owners": owners}


@pytest.fixture
def both(cluster: Cluster, kube: real.Kube) -> "Both":
    return Both(cluster, kube)


class Both:
    """The same patch by way of the operator's client to the real one, and to that in memory."""

    def __init__(self, cluster: Cluster, kube: real.Kube) -> None:
        self._cluster = cluster
        self._kube = kube
        self._memory = MemoryCluster()

    def apply(self, document: Document) -> None:
        self._kube.apply(document)
        self._memory.apply(document)

    async def patch(self, path: str, body: Document, content_type: str) -> tuple[Document | int, Document | int]:
        """What became of the object at both, or HTTP's status of the refusal."""
        async with Kube(await Identity.of(self._cluster.kubeconfig)) as client:
            ports: tuple[Any, Any] = (client, self._memory)
            found = [await _patched(each, path, body, content_type) for each in ports]
        return found[0], found[1]


async def _patched(port: Any, path: str, body: Document, content_type: str) -> Document | int:
    try:
        return shown(await port.patch(path, body, content_type=content_type))
    except KubeError as error:
        return error.status


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        pytest.param(content_type, patch, id=f"{what}, {content_type}")
        for content_type in (MERGE_PATCH, STRATEGIC_MERGE_PATCH)
        for what, patch in PATCHES.items()
        if content_type == STRATEGIC_MERGE_PATCH or "$patch" not in str(patch)
    ],
)
async def test_a_secret_is_patched_alike(both: Both, namespace: str, content_type: str, patch: Document) -> None:
    both.apply(secret(namespace))
    found, in_memory = await both.patch(path_of("Secret", namespace, "key"), patch, content_type)
    assert in_memory == found
    assert (found == CONFLICT) == ("uid" in patch.get("metadata", {}))


async def test_what_is_not_there_is_refused_alike(both: Both, namespace: str) -> None:
    place = path_of("Secret", namespace, "none")
    assert await both.patch(place, {}, STRATEGIC_MERGE_PATCH) == (NOT_FOUND, NOT_FOUND)


KEY = f"SK{'1' * 32}"
OTHER: Document = {"uid": "another"}
OLDER: Document = {"resourceVersion": "1"}


@pytest.mark.usefixtures("crds")
@pytest.mark.parametrize(
    ("subresource", "metadata", "content_type", "refused"),
    [
        ("", {}, STRATEGIC_MERGE_PATCH, UNSUPPORTED),
        ("", OTHER | {"annotations": {"of-ours": "1"}}, MERGE_PATCH, CONFLICT),
        ("", OTHER | OLDER, MERGE_PATCH, CONFLICT),
        ("/status", OTHER, MERGE_PATCH, None),
        ("/status", OLDER, MERGE_PATCH, CONFLICT),
    ],
)
async def test_conditions_of_a_patch_of_ours_count_alike(
    both: Both, namespace: str, *, subresource: str, metadata: Document, content_type: str, refused: int | None
) -> None:
    both.apply(secret(namespace))  # so that the account's version is not the first in memory either
    both.apply(resources.account(namespace))
    place = path_of("RecordingAccount", namespace, "default") + subresource
    found, in_memory = await both.patch(place, {"metadata": metadata, "status": {"apiKeySid": KEY}}, content_type)
    assert in_memory == found
    assert found == (refused or {"status": KEY})
