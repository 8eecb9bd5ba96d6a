"""The queue keeps each key once and never gives it twice at a time; the index knows who refers to whom."""

import asyncio
from typing import Any

from recording_storage.controller.cluster.index import Index, key_of
from recording_storage.controller.core.keys import ANY_NAMESPACE, Key, Kind
from recording_storage.controller.core.work_queue import WorkQueue
from recording_storage.resources import AwsCredential, RecordingAccount


async def test_a_key_is_in_the_queue_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(3):
        queue.add("a")
    queue.add("b")
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    queue.done("a")
    queue.done("b")
    assert len(queue) == 0


async def test_a_key_added_while_at_work_comes_again_afterwards_and_not_before() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    other = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not other.done()
    queue.done("a")
    assert await other == "a"


async def test_the_earlier_of_two_times_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", after=3600)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a", after=0)
    queue.add("a", after=3600)
    async with asyncio.timeout(1):
        assert await waiting == "a"
    queue.done("a")


async def test_a_forgotten_key_does_not_come() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("b")
    queue.forget("a")
    assert await queue.get() == "b"


def account(version: int, *, uid: str = "u1", generation: int = 1, **spec: Any) -> RecordingAccount:
    meta = {
        "name": "default",
        "namespace": "here",
        "uid": uid,
        "generation": generation,
        "resourceVersion": str(version),
    }
    return RecordingAccount.parse({"metadata": meta, "spec": spec})


def credential(version: int, *, secret: str = "aws") -> AwsCredential:
    meta = {"name": "main", "namespace": "here", "uid": "u2", "generation": version, "resourceVersion": str(version)}
    source = {"type": "StaticKeys", "staticKeys": {"secretRef": {"name": secret}}}
    return AwsCredential.parse({"metadata": meta, "spec": {"accountRef": {"name": "default"}, "source": source}})


def test_an_echo_of_what_is_known_is_no_news() -> None:
    index = Index()
    assert index.put(account(5)).itself
    assert not index.put(account(5)).anything
    assert not index.put(account(4, generation=0)).anything
    assert index.put(account(6)).anything
    assert not index.put(account(7)).itself
    assert index.put(account(8, generation=2)).itself


def test_an_object_created_anew_is_another_and_the_gone_one_never_comes_back() -> None:
    index = Index()
    index.put(account(5))
    assert index.put(account(3, uid="u9")).itself
    index.remove(account(9, uid="u9"))
    assert not index.put(account(10, uid="u9")).anything
    assert index.get(Key(Kind.ACCOUNT, "here", "default")) is None


def test_who_refers_to_what_follows_the_spec() -> None:
    index = Index()
    index.put(credential(1))
    main = key_of(credential(1))
    assert index.referrers(Key(Kind.SECRET, "here", "aws")) == [main]
    assert index.referrers(Key(Kind.ACCOUNT, "here", "default")) == [main]
    change = index.put(credential(2, secret="other"))
    assert index.referrers(Key(Kind.SECRET, "here", "aws")) == []
    assert index.referrers(Key(Kind.SECRET, "here", "other")) == [main]
    assert {ref.name for ref in change.refs} == {"default", "aws", "other"}
    index.remove(credential(3, secret="other"))
    assert index.referrers(Key(Kind.ACCOUNT, "here", "default")) == []


def test_an_account_that_selects_namespaces_hears_of_all_of_them() -> None:
    index = Index()
    index.put(account(1, allowedNamespaces={"from": "Selector", "selector": {}}))
    assert [key.name for key in index.referrers(ANY_NAMESPACE)] == ["default"]
