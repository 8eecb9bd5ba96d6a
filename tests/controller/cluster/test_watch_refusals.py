"""Watches that are refused, in each way that an API server has: changes arrive all the same, and requests stay few."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.controller.core.watch_backoff import WatchBackoff
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube
from tests.controller import resources
from tests.controller.cluster.watch_gate import Call, Refusal, WatchGate
from tests.controller.parts import Store
from tests.controller.quick_operator import QuickOperator
from tests.controller.watching import ready, until
from tests.waiting import LONG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
OURS = ("recordingaccounts", "awscredentials", "publickeys", "recordingsettings")
ALL = (*OURS, "secrets", "configmaps")
ENOUGH = 4  # refusals of a watch in a row, after which a hot loop would have had thousands


@pytest.fixture
def gate(cluster: Cluster) -> Iterator[WatchGate]:
    with WatchGate(cluster) as made:
        yield made


@pytest.fixture
def operator(
    gate: WatchGate, tmp_path: Path, crds: list[Document], store: Store, namespace: str
) -> Iterator[QuickOperator]:
    del crds
    made = QuickOperator(kubeconfig=gate.kubeconfig(tmp_path), store=store, namespace=namespace)
    made.start()
    yield made
    made.stop()


class Refused:
    """Refuses watches from now on, and ends those that are open."""

    def __init__(self, gate: WatchGate, plurals: tuple[str, ...], refusal: Refusal) -> None:
        self._gate = gate
        self._plurals = plurals
        self._refusal = refusal
        self._began = time.monotonic()
        self.counts: Counter[str] = Counter()
        self._changed = threading.Condition()
        gate.rule = self._judge
        gate.cut()

    def _judge(self, call: Call) -> Refusal | None:
        if call.watch not in self._plurals:
            return None
        with self._changed:
            self.counts[call.watch] += 1
            self._changed.notify_all()
        return self._refusal

    def until_enough(self) -> None:
        plural = self._plurals[-1]
        with self._changed:
            assert self._changed.wait_for(lambda: self.counts[plural] >= ENOUGH, LONG), self.counts

    def end(self) -> None:
        """No watch was begun more often than its pauses allow, kopf's whole restarts beside them."""
        self._gate.rule = lambda _: None
        allowed = begins_within(time.monotonic() - self._began)
        assert all(count <= 2 * allowed for count in self.counts.values()), (allowed, self.counts)


def begins_within(seconds: float) -> int:
    now = 0.0
    pauses, begun = WatchBackoff(clock=lambda: now), 0
    while now <= seconds:
        now += pauses.next()
        begun += 1
    return begun


REFUSALS = {
    "410": Refusal(status=410),
    "410 in the stream": Refusal(status=410, in_stream=True),
    "500 in the stream": Refusal(status=500, in_stream=True),
    "404": Refusal(status=404),
    "403": Refusal(status=403),
    "500": Refusal(status=500),
    "429": Refusal(status=429, headers={"Retry-After": "1"}),
    "429 with a date": Refusal(status=429, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}),
}


@pytest.mark.parametrize(
    ("name", "plurals"),
    [
        *((name, ("secrets",)) for name in ("410", "410 in the stream", "500")),
        *((name, ALL) for name in REFUSALS),
        ("410 in the stream", ("recordingaccounts",)),
    ],
)
def test_refused_watches_are_begun_rarely_and_nothing_is_missed(  # noqa: PLR0917 - pytest's
    operator: QuickOperator, gate: WatchGate, kube: Kube, namespace: str, name: str, plurals: tuple[str, ...]
) -> None:
    del operator
    kube.apply(resources.account(namespace))
    until(kube, "RecordingAccount", "default", ready, namespace=namespace)
    refused = Refused(gate, plurals, REFUSALS[name])
    kube.apply(resources.account(namespace, "meanwhile"))
    until(kube, "RecordingAccount", "meanwhile", ready, namespace=namespace)
    refused.until_enough()
    refused.end()
    kube.apply(resources.account(namespace, "later"))
    until(kube, "RecordingAccount", "later", ready, namespace=namespace)


@pytest.mark.parametrize("status", [403, 429, 500])
def test_refused_writes_are_tried_rarely_and_made_up_for(
    operator: QuickOperator, gate: WatchGate, kube: Kube, namespace: str, status: int
) -> None:
    del operator
    gate.rule = lambda call: Refusal(status=status) if call.method != "GET" else None
    before = len(gate.calls)
    kube.apply(resources.account(namespace))
    gate.until_calls(lambda call: call.method == "PATCH", 3)
    assert len(gate.calls) - before < 100
    gate.rule = lambda _: None
    until(kube, "RecordingAccount", "default", ready, namespace=namespace)
