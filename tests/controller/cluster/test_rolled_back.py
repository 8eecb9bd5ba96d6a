"""An etcd that is put back while the operator runs: what is there then counts, and every change after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.fixtures import CRDS
from tests.cluster.namespaces import create_namespace
from tests.cluster.restoring import RestorableCluster
from tests.controller import resources
from tests.controller.cluster.watch_gate import WatchGate
from tests.controller.conftest import World
from tests.controller.parts import Operator, Store
from tests.s3.fixtures import create_bucket
from tests.s3.servers import S3Server
from tests.waiting import LONG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAMESPACE = "team-a"


@dataclass
class RolledBack:
    """The world, and what puts its cluster back."""

    world: World
    cluster: RestorableCluster
    gate: WatchGate

    def restore(self, *, others_write: int) -> None:
        """The operator meets the restored cluster once others have written to it so many times."""
        self.cluster.restore()
        self.world.cluster, self.world.kube = self.cluster.cluster, self.cluster.kube
        self.write(others_write)
        self.gate.lead_to(self.cluster.cluster)

    def write(self, times: int) -> None:
        """As everybody in a cluster does all the time: its version goes up."""
        meta = {"metadata": {"name": "of-somebody", "namespace": NAMESPACE}}
        for number in range(times):
            self.world.apply({"apiVersion": "v1", "kind": "ConfigMap", "data": {"number": str(number)}} | meta)

    def rename(self, name: str) -> None:
        """In the settings; returns when the operator has brought it to the store."""
        self.world.patch("RecordingSettings", "default", {"spec": {"friendlyName": name}})
        self.world.ready("RecordingSettings", "default", timeout=LONG)
        assert self.name_at_store() == name

    def name_at_store(self) -> str:
        name: str = self.world.stored("GET", "/v1/RecordingSettings/Default")["friendly_name"]
        return name

    def keys_at_store(self) -> list[str]:
        found = self.world.stored("GET", "/v1/Credentials/PublicKeys")["credentials"]
        return sorted(each["friendly_name"] for each in found)


@pytest.fixture
def rolled_back(tmp_path: Path, store: Store, moto_server: S3Server) -> Iterator[RolledBack]:
    with RestorableCluster(tmp_path) as cluster, WatchGate(cluster.cluster) as gate:
        for each in cluster.kube.apply(CRDS):
            cluster.kube.wait(cluster.kube.path(each), condition="Established")
        create_namespace(cluster.kube, NAMESPACE)
        kubeconfig = gate.kubeconfig(tmp_path)
        operator = Operator(tmp_path, kubeconfig=kubeconfig, store=store, more=["--no-leader-election"])
        operator.start()
        world = World(cluster.cluster, cluster.kube, NAMESPACE, store, operator, create_bucket(moto_server))
        yield RolledBack(world, cluster, gate)
        operator.stop()


@pytest.mark.parametrize(
    "others_write",
    [pytest.param(0, id="with a lower version"), pytest.param(150, id="with a version that has caught up")],
)
def test_what_was_put_back_counts_and_so_does_what_comes_after(
    rolled_back: RolledBack, rsa_pem: str, others_write: int
) -> None:
    world = rolled_back.world
    world.all_ready()
    world.apply(resources.public_key(NAMESPACE, rsa_pem, name="deleted-later"))
    world.ready("PublicKey", "deleted-later")
    account, credentials, opened = world.account_sid(), world.credentials(), world.store.count_accounts()
    rolled_back.cluster.back_up()

    for name in ("one", "two", "three"):
        rolled_back.rename(name)
    world.delete("PublicKey", "deleted-later")
    world.until_gone("PublicKey", "deleted-later")
    world.apply(resources.public_key(NAMESPACE, rsa_pem, name="made-later"))
    world.ready("PublicKey", "made-later")
    rolled_back.write(40)
    rolled_back.restore(others_write=others_write)

    world.operator.wait_for("beginning anew", timeout=LONG)
    world.operator.wait_for("operator: ready", timeout=LONG)
    before = world.get("PublicKey", "deleted-later")["status"]["sid"]
    world.until("PublicKey", "deleted-later", lambda each: each["status"]["sid"] != before, timeout=LONG)
    world.ready("PublicKey", "deleted-later", timeout=LONG)
    world.ready("RecordingSettings", "default", timeout=LONG)
    assert rolled_back.name_at_store() == "production"
    rolled_back.rename("four")
    world.delete("PublicKey", "deleted-later")
    world.until_gone("PublicKey", "deleted-later", timeout=LONG)
    world.apply(resources.public_key(NAMESPACE, rsa_pem, name="made-after"))
    world.ready("PublicKey", "made-after", timeout=LONG)

    assert world.account_sid() == account
    assert world.credentials() == credentials
    assert world.store.count_accounts() == opened
