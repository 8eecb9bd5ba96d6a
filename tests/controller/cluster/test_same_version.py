"""Another history of the cluster may come to the very version at which an object was seen: only its content tells."""

from typing import Any

import pytest

from recording_storage.controller.cluster.hash_key import HashKey
from recording_storage.controller.cluster.index import Index
from recording_storage.controller.cluster.kube import Document
from recording_storage.controller.cluster.rollback import RolledBack
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.runtime import Operator
from tests.controller.one_look import item

AT = "574"
ASKED = {"annotations": {"recordingstorage.dev/reconcile-requested-at": "now"}}


class Listed:
    """An API server with one account, and nothing of the other kinds."""

    def __init__(self, account: Document) -> None:
        self.account = account

    async def get(self, path: str, **_: Any) -> Document:
        items = [self.account] if path.endswith("/recordingaccounts") else []
        return {"metadata": {"resourceVersion": "600"}, "items": items}


def known(seen: Document, *, listed: Document) -> Operator:
    kube: Any = Listed(listed)
    nothing: Any = None
    made = Operator(kube=kube, namespaces=(), index=Index(), accounts=nothing, hash_key=HashKey(b"k" * 32))
    made._delivered(Kind.ACCOUNT, "MODIFIED", seen)
    return made


@pytest.mark.parametrize(
    ("listed", "same"),
    [
        pytest.param(item(resourceVersion=AT), True, id="nothing has changed"),
        pytest.param(item(resourceVersion="580", **ASKED), True, id="changed since, in the same history"),
        pytest.param(item(resourceVersion=AT, **ASKED), False, id="asked for a look"),
        pytest.param(item(resourceVersion=AT, uid="another"), False, id="made anew"),
        pytest.param(item(resourceVersion=AT) | {"status": {"observedGeneration": 9}}, False, id="another status"),
    ],
)
async def test_an_object_that_is_another_one_at_the_version_of_before_is_of_another_history(
    listed: Document, *, same: bool
) -> None:
    tested = known(item(resourceVersion=AT), listed=listed)
    if same:
        await tested._compare()
        return
    with pytest.raises(RolledBack, match=f"at version {AT}"):
        await tested._compare()


async def test_an_object_of_a_list_is_the_same_though_it_does_not_name_its_kind() -> None:
    seen = item(resourceVersion=AT)
    tested = known(seen, listed={name: value for name, value in seen.items() if name not in {"kind", "apiVersion"}})
    await tested._compare()
