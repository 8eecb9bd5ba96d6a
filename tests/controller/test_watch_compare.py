"""A watch that has died is noticed by comparing with the API server, and what it missed is made up for."""

from typing import Any

from recording_storage.controller.hash_key import HashKey
from recording_storage.controller.index import Index
from recording_storage.controller.keys import Key, Kind
from recording_storage.controller.runtime import Operator

KEY = Key(Kind.ACCOUNT, "here", "default")


def operator(index: Index) -> Operator:
    nothing: Any = None
    return Operator(
        kube=nothing, configuration=nothing, namespaces=(), index=index, accounts=nothing, hash_key=HashKey(b"k" * 32)
    )


def account(version: int) -> dict[str, Any]:
    meta = {"name": "default", "namespace": "here", "uid": "u1", "generation": version, "resourceVersion": str(version)}
    return {"metadata": meta, "spec": {}}


async def test_a_change_that_stays_away_is_told_and_entered_until_the_watch_delivers_again() -> None:
    index = Index()
    tested = operator(index)
    tested.told(Kind.ACCOUNT, None, account(1))
    listed = [(Kind.ACCOUNT, account(2))]

    suspicious = tested._compare(listed, {})
    assert not tested.watches_late, "an event may be on its way"
    tested._compare(listed, suspicious)
    assert tested.watches_late == ["RecordingAccount"]
    found = index.get(KEY)
    assert found is not None
    assert found.metadata.resource_version == "2"

    tested._compare(listed, {})
    assert tested.watches_late, "healing is no proof that the watch delivers"
    tested._delivered(Kind.ACCOUNT, "MODIFIED", account(3))
    assert not tested.watches_late


async def test_an_object_that_went_unseen_is_forgotten() -> None:
    index = Index()
    tested = operator(index)
    tested.told(Kind.ACCOUNT, None, account(1))
    tested._compare([], tested._compare([], {}))
    assert index.get(KEY) is None


async def test_an_object_that_does_not_fit_its_crd_stops_nothing() -> None:
    tested = operator(Index())
    tested.told(Kind.ACCOUNT, None, account(1) | {"spec": {"deletionPolicy": "Nonsense"}})
