"""A watch that has died is noticed by comparing with the API server, and what it missed is made up for."""

from typing import Any

from recording_storage.controller.cluster.hash_key import HashKey
from recording_storage.controller.cluster.index import Index
from recording_storage.controller.cluster.resource_versions import ResourceVersions
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.runtime import Operator

KEY = Key(Kind.SECRET, "here", "aws")
OTHER = Key(Kind.SECRET, "here", "other")
PLACES = [(Kind.SECRET, "here")]


def resource_versions(**told: str) -> ResourceVersions:
    made = ResourceVersions(namespaced=False)
    made.listed((Kind.SECRET, ""), {Key(Kind.SECRET, "here", name): version for name, version in told.items()})
    return made


def test_what_may_be_on_its_way_is_not_missed() -> None:
    tested = resource_versions(aws="1")
    assert tested.compare({KEY: "2"}, places=PLACES) == []
    assert tested.in_doubt
    tested.event(KEY, "2")
    assert tested.compare({KEY: "3"}, places=PLACES) == [], "it has come as far as it was the last time"
    assert tested.compare({KEY: "4"}, places=PLACES) == [KEY]


def test_one_that_changes_at_every_look_is_missed_all_the_same() -> None:
    tested = resource_versions(aws="1")
    tested.compare({KEY: "2"}, places=PLACES)
    assert tested.compare({KEY: "3"}, places=PLACES) == [KEY]


def test_the_first_object_of_a_kind_is_missed() -> None:
    tested = resource_versions()
    tested.compare({KEY: "1"}, places=PLACES)
    assert tested.compare({KEY: "1"}, places=PLACES) == [KEY]


def test_what_is_told_earlier_than_the_list_was_made_is_not_missed() -> None:
    tested = resource_versions(aws="5", other="5")
    for _ in range(2):
        assert tested.compare({KEY: "4", OTHER: "5"}, places=PLACES) == []


def test_what_is_gone_is_missed_where_all_is_listed() -> None:
    tested = resource_versions(aws="1")
    for _ in range(2):
        assert tested.compare({}, places=[(Kind.SECRET, "elsewhere"), (Kind.CONFIG_MAP, "here")]) == []
    tested.compare({}, places=PLACES)
    assert tested.compare({}, places=PLACES) == [KEY]
    assert not tested.in_doubt
    assert tested.compare({}, places=PLACES) == []


def test_a_watch_is_dead_when_it_misses_again_what_it_should_deliver_since_it_was_renewed() -> None:
    tested = resource_versions(aws="1")
    for version in ("2", "3"):
        assert not tested.dead
        tested.compare({KEY: version}, places=PLACES)
        tested.compare({KEY: version}, places=PLACES)
    assert tested.dead == ["Secret"]
    tested.listed((Kind.SECRET, ""), {KEY: "4"})
    assert tested.dead, "a list is no proof that the watch delivers"
    tested.event(OTHER, "5")
    assert not tested.dead


def test_each_namespace_has_a_watch_of_its_own_where_it_is_so() -> None:
    tested = ResourceVersions(namespaced=True)
    for version in ("1", "2"):
        for _ in range(2):
            tested.compare({KEY: version}, places=PLACES)
        tested.event(Key(Kind.SECRET, "there", "aws"), version)
    assert tested.dead == ["Secret in here"]


def test_what_went_while_no_watch_was_open_is_told_with_the_next_list() -> None:
    tested = resource_versions(aws="1", other="2")
    assert tested.listed((Kind.SECRET, "here"), {OTHER: "2"}) == [KEY]
    assert tested.listed((Kind.SECRET, "here"), {OTHER: "3"}) == [OTHER]


async def test_an_object_that_does_not_fit_its_crd_is_worked_on_like_any_other() -> None:
    nothing: Any = None
    index = Index()
    tested = Operator(kube=nothing, namespaces=(), index=index, accounts=nothing, hash_key=HashKey(b"k" * 32))
    for name, spec in (("odd", {"deletionPolicy": "Nonsense"}), ("default", {})):
        meta = {"name": name, "namespace": "here", "uid": name, "generation": 1, "resourceVersion": "1"}
        tested.told(Kind.ACCOUNT, None, {"metadata": meta, "spec": spec})
    odd, default = (Key(Kind.ACCOUNT, "here", name) for name in ("odd", "default"))
    assert {odd, default} <= set(index.keys())
    assert {await tested._queue.get(), await tested._queue.get()} == {odd, default}
