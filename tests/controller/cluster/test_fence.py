"""A process that was stopped for longer than its Lease lasts does nothing any more of what it was about to do."""

import asyncio
from typing import Any

import pytest

from recording_storage.controller.cluster.events import Events
from recording_storage.controller.cluster.index import Index, key_of
from recording_storage.controller.cluster.kube import Document
from recording_storage.controller.cluster.lease import Lease, LeaseTimes
from recording_storage.controller.core.decision import Decision
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.core.verdicts import Streak
from recording_storage.controller.reconcile import FINALIZER, Reconciler
from recording_storage.controller.runtime import now
from recording_storage.resources import RecordingAccount

META = {
    "name": "default",
    "namespace": "here",
    "uid": "u1",
    "generation": 1,
    "resourceVersion": "1",
    "finalizers": [FINALIZER],
}


DEADLINE = LeaseTimes().deadline
_TURNS = 1000
"""Of the event loop. Nothing here waits for anything else, so by then a look has ended, or it stands for good."""


class Clock:
    time = 100.0

    def __call__(self) -> float:
        return self.time


class ApiServer:
    """Holds no Lease yet, and takes whatever is written."""

    def __init__(self) -> None:
        self.written: list[str] = []

    async def get(self, path: str) -> Document:
        del path
        return {"metadata": {"resourceVersion": "1"}, "spec": {}}

    async def replace(self, path: str, body: Document) -> Document:
        self.written.append(path)
        return body

    async def patch(self, path: str, body: Document) -> Document:
        await self.replace(path, body)
        return {"metadata": META, "spec": {}, **{name: body[name] for name in body if name == "status"}}


class Stopped:
    """A kind; between looking and acting, or between acting and the status, the time goes by."""

    def __init__(self, clock: Clock, *, while_: str, seconds: float) -> None:
        self._clock, self._while, self._seconds = clock, while_, seconds
        self.acted: list[str] = []

    async def observe(self, resource: Any) -> str:
        del resource
        self._clock.time += self._seconds if self._while == "looking" else 0
        return "seen"

    def decide(self, resource: Any, observed: str) -> Decision[str]:
        del resource, observed
        return Decision(actions=() if self.acted else ("act",), message="fine")

    async def act(self, resource: Any, action: str) -> None:
        del resource
        self.acted.append(action)
        self._clock.time += self._seconds if self._while == "acting" else 0

    def changes(self, before: Any, after: Any) -> tuple[()]:
        del before, after
        return ()

    def suspended(self, resource: Any) -> bool:
        del resource
        return False

    def interval(self, resource: Any) -> float:
        del resource
        return 300.0


@pytest.mark.parametrize(
    ("while_", "seconds", "acted", "written"),
    [("looking", DEADLINE, [], 0), ("acting", DEADLINE, ["act"], 0), ("looking", DEADLINE / 3, ["act"], 1)],
)
async def test_nothing_is_written_once_the_lease_may_be_anothers(
    while_: str, seconds: float, acted: list[str], written: int
) -> None:
    clock, server, index = Clock(), ApiServer(), Index()
    kube: Any = server
    lease = Lease(kube, namespace="here", name="lease", identity="me", clock=clock)
    await lease.acquire(standing_by=print)
    assert len(server.written) == 1

    account = RecordingAccount.parse({"metadata": META, "spec": {}})
    index.put(account)
    kind = Stopped(clock, while_=while_, seconds=seconds)
    kinds: Any = {Kind.ACCOUNT: kind}
    reconciler = Reconciler(
        kube=kube,
        index=index,
        kinds=kinds,
        events=Events(kube, now=now),
        written=lambda *_: None,
        now=now,
        fence=lease.fence,
    )
    look = asyncio.create_task(reconciler.reconcile(key_of(account), streak=Streak()))
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    done = look.done()
    look.cancel()
    assert kind.acted == acted
    assert len(server.written) == 1 + written
    assert done is bool(written)
