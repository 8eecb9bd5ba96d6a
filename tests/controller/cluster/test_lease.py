"""A Lease outlives an API server that is slow or pauses, and ends in time where it can't be renewed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recording_storage.controller.cluster.kube import Document, KubeError
from recording_storage.controller.cluster.lease import Lease, LeaseTimes
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube
from tests.controller import resources
from tests.controller.cluster.watch_gate import WatchGate
from tests.controller.parts import Operator, Store
from tests.controller.watching import ready, until
from tests.tools.fast_time import in_fast_time
from tests.waiting import LONG, SOON


class ApiServer:
    """Holds one Lease with a version, as the real one does; takes its time."""

    def __init__(self) -> None:
        self.lease: Document | None = None
        self.slowness = 0.0
        self.pause_once = 0.0
        self.calls: list[str] = []
        self._renewals = asyncio.Semaphore(0)

    async def get(self, path: str) -> Document:
        await self._wait("GET")
        if self.lease is None:
            raise KubeError(404, "NotFound", path)
        return self.lease

    async def create(self, path: str, body: Document) -> Document:
        del path
        await self._wait("POST")
        self.lease = body | {"metadata": body["metadata"] | {"resourceVersion": "1"}}
        return self.lease

    async def replace(self, path: str, body: Document, *, timeout: float = 30.0) -> Document:  # noqa: ASYNC109
        del path, timeout
        await self._wait("PUT")
        assert self.lease is not None
        version = self.lease["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != version:
            raise KubeError(409, "Conflict", "it has changed")
        self.lease = body | {"metadata": body["metadata"] | {"resourceVersion": str(int(version) + 1)}}
        self._renewals.release()
        return self.lease

    async def _wait(self, method: str) -> None:
        self.calls.append(method)
        pause, self.pause_once = self.pause_once, 0.0
        await asyncio.sleep(pause or self.slowness)

    async def renewals(self, count: int) -> None:
        """Returns after that many more."""
        self._renewals = asyncio.Semaphore(0)
        for _ in range(count):
            async with asyncio.timeout(SOON):
                await self._renewals.acquire()


def lease(server: ApiServer, identity: str = "me") -> Lease:
    kube: Any = server
    clock = asyncio.get_running_loop().time
    return Lease(kube, namespace="here", name="lease", identity=identity, times=LeaseTimes(), clock=clock)


async def held(server: ApiServer) -> tuple[Lease, asyncio.Task[None]]:
    made = lease(server)
    await made.acquire(standing_by=print)
    return made, asyncio.create_task(made.keep())


@pytest.mark.parametrize(("slowness", "pause"), [(2, 0), (0, 5)])
@in_fast_time
async def test_two_seconds_for_each_answer_and_a_pause_of_five_are_lived_through(slowness: int, pause: int) -> None:
    server = ApiServer()
    _, keep = await held(server)
    server.slowness = slowness
    await server.renewals(2)
    server.pause_once = pause
    await server.renewals(3)
    assert not keep.done()
    assert server.calls.count("GET") <= 2, "a renewal is one request"
    keep.cancel()


@in_fast_time
async def test_one_that_is_touched_by_somebody_else_is_looked_at_and_kept() -> None:
    server = ApiServer()
    _, keep = await held(server)
    assert server.lease is not None
    server.lease["metadata"]["resourceVersion"] = "77"
    await server.renewals(3)
    assert not keep.done()
    keep.cancel()


@in_fast_time
async def test_one_that_another_has_taken_is_lost() -> None:
    server = ApiServer()
    _, keep = await held(server)
    assert server.lease is not None
    taken = {"holderIdentity": "other", "leaseDurationSeconds": 15}
    server.lease = {"metadata": {"resourceVersion": "77"}, "spec": taken}
    async with asyncio.timeout(SOON):
        await keep


@in_fast_time
async def test_one_that_can_not_be_renewed_is_given_up() -> None:
    server = ApiServer()
    made, keep = await held(server)
    server.slowness = 3600
    async with asyncio.timeout(SOON):
        await keep
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await made.fence()


@pytest.mark.parametrize(
    ("times", "good"),
    [
        (LeaseTimes(), True),
        (LeaseTimes(duration=10, deadline=10), False),
        (LeaseTimes(deadline=2, retry=2), False),
        (LeaseTimes(retry=0), False),
    ],
)
def test_times_have_to_go_together(times: LeaseTimes, *, good: bool) -> None:
    assert (times.fault() == "") is good


@pytest.fixture
def gate(cluster: Cluster) -> Iterator[WatchGate]:
    with WatchGate(cluster) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_operator_works_before_an_api_server_that_takes_two_seconds_for_each_answer(  # noqa: PLR0917 - pytest's
    gate: WatchGate, kube: Kube, crds: list[Document], store: Store, namespace: str, tmp_path: Path
) -> None:
    del crds
    gate.slowness = 2.0
    own = ["--namespace", namespace, "--lease-namespace", namespace]
    operator = Operator(tmp_path, kubeconfig=gate.kubeconfig(tmp_path), store=store, more=own)
    operator.launch()
    try:
        operator.wait_for("operator: ready", timeout=LONG)
        kube.apply(resources.account(namespace))
        until(kube, "RecordingAccount", "default", ready, namespace=namespace, timeout=LONG)
        gate.until_calls(lambda call: call.method == "PUT" and "/leases/" in call.path, 4, timeout=LONG)
        assert operator.running
        assert "could not be renewed" not in operator.log
    finally:
        operator.stop()
