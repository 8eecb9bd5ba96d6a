"""An etcd that is put back under two replicas: the Lease is of an earlier time, too, and still one of them works."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from recording_storage.controller.main import LEASE_NAME
from tests.cluster.fixtures import CRDS
from tests.cluster.namespaces import create_namespace
from tests.cluster.restoring import RestorableCluster
from tests.controller.cluster.watch_gate import Call, WatchGate
from tests.controller.conftest import World
from tests.controller.parts import Operator, Store
from tests.s3.fixtures import create_bucket
from tests.s3.servers import S3Server
from tests.waiting import LONG, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAMESPACE = "team-a"
QUICK = ("--lease-duration", "12", "--renew-deadline", "9", "--retry-period", "1")


@dataclass
class Replica:
    """With a way of its own to the API server, which tells whose request it was."""

    name: str
    gate: WatchGate
    operator: Operator
    starts: int = 0

    @property
    def leads(self) -> bool:
        """Since its last start."""
        return self.operator.running and "operator: ready" in self.operator.log.split("---\n")[-1]

    def keep_running(self) -> None:
        """As a kubelet does: one that has ended is started anew."""
        if not self.operator.running:
            self.operator.output.append("---\n")
            self.operator.launch()
            self.starts += 1


@dataclass
class Replicas:
    world: World
    cluster: RestorableCluster
    each: list[Replica]
    writers: list[str] = field(default_factory=list)
    """Whose each write to the cluster was, but those of the Lease and of events, in order."""

    def leader(self) -> Replica:
        def one() -> Replica | None:
            for each in self.each:
                each.keep_running()
            found = [each for each in self.each if each.leads]
            return found[0] if len(found) == 1 else None

        found = eventually(one, what="one replica leads", within=LONG)
        assert found is not None
        return found

    def hand_over(self) -> None:
        """The leader ends in an orderly way, and is started again: the other one leads."""
        before = self.leader()
        before.operator.stop()
        eventually(lambda: self.leader() is not before, what="the other one leads", within=LONG)

    def restore(self) -> None:
        self.cluster.restore()
        self.world.cluster, self.world.kube = self.cluster.cluster, self.cluster.kube
        self.writers.clear()
        for each in self.each:
            each.starts = 0
            each.gate.lead_to(self.cluster.cluster)

    def rename(self, name: str) -> None:
        """In the settings; returns when a replica has brought it to the store."""
        self.world.patch("RecordingSettings", "default", {"spec": {"friendlyName": name}})

        def stored() -> bool:
            self.leader()
            at_store: str = self.world.stored("GET", "/v1/RecordingSettings/Default")["friendly_name"]
            return at_store == name

        eventually(stored, what=f"the settings are called {name}", within=LONG)


@pytest.fixture
def replicas(tmp_path: Path, store: Store, moto_server: S3Server) -> Iterator[Replicas]:
    with (
        RestorableCluster(tmp_path) as cluster,
        WatchGate(cluster.cluster) as first,
        WatchGate(cluster.cluster) as second,
    ):
        for crd in cluster.kube.apply(CRDS):
            cluster.kube.wait(cluster.kube.path(crd), condition="Established")
        create_namespace(cluster.kube, NAMESPACE)
        made: list[Replica] = []
        for name, gate in (("a", first), ("b", second)):
            folder = tmp_path / name
            folder.mkdir()
            own = ("--namespace", NAMESPACE, "--lease-namespace", NAMESPACE, *QUICK)
            made.append(
                Replica(name, gate, Operator(folder, kubeconfig=gate.kubeconfig(folder), store=store, more=own))
            )
        world = World(cluster.cluster, cluster.kube, NAMESPACE, store, made[0].operator, create_bucket(moto_server))
        both = Replicas(world, cluster, made)
        for one in made:
            one.gate.rule = _writers(both.writers, one.name)
        try:
            yield both
        finally:
            for one in made:
                one.operator.stop()


def _writers(writers: list[str], name: str):
    def note(call: Call) -> None:
        if call.method != "GET" and "/leases" not in call.path and "/events" not in call.path:
            writers.append(name)

    return note


@pytest.mark.parametrize("led_by", ["the one that leads", "one that has ended since", "nobody"])
def test_one_of_them_works_on_and_nothing_is_made_twice(replicas: Replicas, led_by: str) -> None:
    world = replicas.world
    replicas.leader()
    world.all_ready()
    account, credentials, opened = world.account_sid(), world.credentials(), world.store.count_accounts()
    if led_by == "nobody":
        for each in replicas.each:
            each.operator.stop()
        world.kube.delete("coordination.k8s.io/v1", "Lease", LEASE_NAME, namespace=NAMESPACE)
    replicas.cluster.back_up()
    if led_by == "one that has ended since":
        replicas.hand_over()
    replicas.rename("one")

    replicas.restore()
    replicas.rename("two")

    assert world.account_sid() == account
    assert world.credentials() == credentials
    assert world.store.count_accounts() == opened
    # One after the other, never by turns.
    changes = sum(one != other for one, other in pairwise(replicas.writers))
    assert changes <= sum(each.starts for each in replicas.each), replicas.writers
