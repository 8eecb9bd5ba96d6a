"""The Secret with an account's key: what its metadata says of whose it is."""

from typing import Any

import pytest

from recording_storage.controller.kinds.account.key_secret import ACCOUNT_ANNOTATION, KeySecrets
from tests.cluster.kube import Document
from tests.controller.kinds.account.test_decide import AC, ENDPOINTS, account
from tests.controller.one_look import ApiServer

REMOTE = {"store": {"type": "Remote", "endpoints": ENDPOINTS}, "accountSid": AC, "apiKeySecretRef": {"name": "own"}}


def owner(uid: str, *, controller: bool = True) -> Document:
    return {"apiVersion": "v1", "kind": "Any", "name": "any", "uid": uid, "controller": controller}


@pytest.mark.parametrize(
    ("spec", "owners", "owned", "elsewhere"),
    [
        ({}, [], False, False),
        ({}, [owner("uid-1")], True, False),
        ({}, [owner("other", controller=False), owner("uid-1")], True, False),
        ({}, [owner("uid-1", controller=False)], False, False),
        ({}, [owner("other")], False, True),
        (REMOTE, [owner("uid-1")], False, True),
    ],
)
async def test_with_whom_it_goes(spec: Document, owners: list[Document], owned: bool, elsewhere: bool) -> None:  # noqa: FBT001
    server: Any = ApiServer({"metadata": {"uid": "s1", "ownerReferences": owners}})
    found = await KeySecrets(server).read(account(**spec))
    assert (found.uid, found.owned, found.elsewhere) == ("s1", owned, elsewhere)


@pytest.mark.parametrize(("value", "named"), [(AC, AC), ("", ""), ("AC1", ""), (f"../accounts/{AC}", "")])
async def test_only_a_sid_names_its_account(value: str, named: str) -> None:
    """It becomes part of a request to the store, and whoever may write Secrets may write it."""
    server: Any = ApiServer({"metadata": {"uid": "s1", "annotations": {ACCOUNT_ANNOTATION: value}}})
    assert (await KeySecrets(server).read(account())).account_sid == named
