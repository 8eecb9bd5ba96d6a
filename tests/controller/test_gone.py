"""That an object is gone is told by a watch or by the comparison; a 404 to a write may be anybody's."""

from typing import Any

import pytest

from recording_storage.controller.cluster.hash_key import HashKey
from recording_storage.controller.cluster.index import Index
from recording_storage.controller.cluster.kube import Document, KubeError
from recording_storage.controller.core.decision import Decision
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.reconcile import FINALIZER
from recording_storage.controller.runtime import Operator
from tests.controller.one_look import ApiServer, Written, item, look

KEY = Key(Kind.ACCOUNT, "here", "default")
GOING = {
    "deletionTimestamp": "2026-01-01T00:00:00Z",
    "annotations": {"recordingstorage.dev/abandon": "true"},
}


def away(body: Document) -> KubeError:
    del body
    return KubeError(404, "NotFound", "404 page not found")


class Away:
    """An API server behind something that answers all with 404."""

    async def get(self, *_: Any, **__: Any) -> Any:
        raise away({})

    patch = get


@pytest.mark.parametrize("meta", [{}, GOING], ids=["managed", "deleted"])
async def test_an_object_whose_write_is_answered_with_404_is_looked_at_again(meta: dict[str, Any]) -> None:
    kube: Any = Away()
    nothing: Any = None
    index = Index()
    tested = Operator(kube=kube, namespaces=(), index=index, accounts=nothing, hash_key=HashKey(b"k" * 32))
    tested.told(Kind.ACCOUNT, None, item(**meta))
    assert await tested._queue.get() == KEY
    await tested._look(KEY)
    tested._queue.done(KEY)
    assert index.get(KEY) is not None
    assert await tested._queue.get() == KEY, "it is tried again by itself"

    tested.told(Kind.ACCOUNT, "MODIFIED", item(**meta, resourceVersion="2"))
    present = index.get(KEY)
    assert present is not None
    assert present.metadata.resource_version == "2"

    tested.told(Kind.ACCOUNT, "DELETED", item(**meta, resourceVersion="3"))
    assert index.get(KEY) is None


@pytest.mark.parametrize("meta", [{"finalizers": []}, GOING], ids=["managed", "deleted"])
async def test_a_finalizer_whose_write_is_answered_with_404_is_written_again(meta: dict[str, Any]) -> None:
    server = ApiServer(item(**meta), refuse=away)
    with pytest.raises(KubeError):
        await look(server, Written(Decision(message="fine")))
    server.refuse = lambda _: None
    await look(server, Written(Decision(message="fine")))
    assert (FINALIZER in server.item["metadata"]["finalizers"]) is (meta is not GOING)
