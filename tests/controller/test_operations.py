"""docs/operations.md, followed to the letter: restores, alone and several at once, lose no account and double none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster.fixtures import CRDS
from tests.cluster.kube import Document
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.cluster.restoring import RestorableCluster
from tests.controller.cluster.watch_gate import WatchGate
from tests.controller.conftest import World
from tests.controller.parts import Operator, Store
from tests.controller.watching import condition, is_, ready
from tests.s3.fixtures import create_bucket
from tests.s3.servers import S3Server
from tests.tools.pages import Page
from tests.waiting import LONG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PACKAGES = {"jq": ("jq", "libjq1", "libonig5"), "sqlite3": ("sqlite3", "libsqlite3-0", "libreadline8", "libtinfo6")}
PAGE = Page("operations.md", tools=["kubectl"], packages=PACKAGES)
RESOURCES, WITH_STATUS, ETCD, STORE = (
    f"restore {what}" for what in ("resources", "resources with status", "etcd", "store")
)
OBJECTS = (("RecordingAccount", "default"), ("AwsCredential", "main"), ("RecordingSettings", "default"))


@dataclass
class Place:
    """The world, and what the page's blocks do to it."""

    world: World
    cluster: RestorableCluster
    gate: WatchGate
    kubeconfig: Path
    values: dict[str, str] = field(default_factory=dict)

    def follow(self, name: str) -> None:
        steps = {
            "put etcd back": self._put_etcd_back,
            "stop the store": self.world.store.stop,
            "start the store": self.world.store.start,
        }
        environment = {"KUBECONFIG": str(self.kubeconfig), "NAMESPACE": self.world.namespace, **self.values}
        PAGE.follow(name, steps=steps, folder=self.world.store.folder, environment=environment)

    def lose_resources(self) -> None:
        """With their namespace, as if the cluster were a new one."""
        self.world.operator.stop()
        delete_namespace(self.world.kube, self.world.namespace)
        create_namespace(self.world.kube, self.world.namespace)
        self.world.operator.start()

    def rename(self, name: str) -> None:
        self.world.patch("RecordingSettings", "default", {"spec": {"friendlyName": name}})
        self.world.ready("RecordingSettings", "default", timeout=LONG)

    def restore(self, *blocks: str) -> None:
        for block in (*blocks, "look now"):
            self.follow(block)

    def all_ready(self) -> None:
        """By a look after the one that was asked for last."""
        for kind, name in OBJECTS:
            self.world.until(kind, name, _settled, timeout=LONG)

    def _put_etcd_back(self) -> None:
        self.cluster.restore()
        self.world.cluster, self.world.kube = self.cluster.cluster, self.cluster.kube
        self.gate.lead_to(self.cluster.cluster)


def _settled(found: Document) -> bool:
    asked = found["metadata"]["annotations"]["recordingstorage.dev/reconcile-requested-at"]
    return ready(found) and found["status"].get("lastHandledReconcileAt") == asked


@pytest.fixture(scope="module")
def restorable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestorableCluster]:
    with RestorableCluster(tmp_path_factory.mktemp("restorable")) as cluster:
        for each in cluster.kube.apply(CRDS):
            cluster.kube.wait(cluster.kube.path(each), condition="Established")
        yield cluster


@pytest.fixture
def place(
    tmp_path: Path, restorable: RestorableCluster, moto_server: S3Server, request: pytest.FixtureRequest
) -> Iterator[Place]:
    namespace = f"team-{abs(hash(request.node.name)) % 10**6}"
    create_namespace(restorable.kube, namespace)
    folder = tmp_path / "store"
    folder.mkdir()
    store = Store(folder, allow=[moto_server.endpoint])
    store.start()
    with WatchGate(restorable.cluster) as gate:
        kubeconfig = gate.kubeconfig(tmp_path)
        more = ["--no-leader-election", "--namespace", namespace, "--lease-namespace", "default"]
        operator = Operator(tmp_path, kubeconfig=kubeconfig, store=store, more=more)
        operator.start()
        world = World(restorable.cluster, restorable.kube, namespace, store, operator, create_bucket(moto_server))
        yield Place(world, restorable, gate, kubeconfig)
        operator.stop()
        store.stop()
        delete_namespace(restorable.kube, namespace)


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param(each, id=" and ".join(block.removeprefix("restore ") for block in each))
        for each in (
            (RESOURCES,),
            (WITH_STATUS,),
            (STORE,),
            (ETCD,),
            (STORE, ETCD),
            (ETCD, STORE),
            (STORE, RESOURCES),
            (STORE, WITH_STATUS),
        )
    ],
)
def test_what_was_restored_has_the_account_of_before(place: Place, blocks: tuple[str, ...]) -> None:
    world = place.world
    world.all_ready()
    account, opened, before = world.account_sid(), world.store.count_accounts(), world.credentials()
    place.follow("back up")
    place.cluster.back_up()
    place.rename("changed since")
    if {RESOURCES, WITH_STATUS} & set(blocks):
        place.lose_resources()

    place.restore(*blocks)
    place.all_ready()

    assert world.account_sid() == account
    assert world.store.count_accounts() == opened
    assert world.credentials() == before
    wanted = "changed since" if blocks == (STORE,) else "production"
    assert world.stored("GET", "/v1/RecordingSettings/Default")["friendly_name"] == wanted
    place.rename("changed after")
    assert world.stored("GET", "/v1/RecordingSettings/Default")["friendly_name"] == "changed after"


def test_an_etcd_without_the_resources_gets_them_and_their_account_again(place: Place) -> None:
    place.cluster.back_up()
    place.world.all_ready()
    account, opened = place.world.account_sid(), place.world.store.count_accounts()
    place.follow("back up")
    place.restore(ETCD, RESOURCES)
    place.all_ready()
    assert place.world.account_sid() == account
    assert place.world.store.count_accounts() == opened


def backup_without_the_account(place: Place) -> bytes:
    """The store's database as it is before anything is applied."""
    store = place.world.store
    store.stop()  # SQLite takes the log of its writes into the file at an orderly end
    found = (store.folder / "store.db").read_bytes()
    store.start()
    return found


def restore_without_the_account(place: Place, older: bytes) -> Document:
    """The RecordingAccount, once it says that the store of that backup lacks its account."""
    (place.world.store.folder / "store.db.backup").write_bytes(older)
    place.restore(STORE)
    return place.world.until("RecordingAccount", "default", is_("Stalled", "True", "AccountMissing"), timeout=LONG)


def test_an_account_that_a_restored_store_lacks_is_opened_anew_only_when_somebody_says_so(place: Place) -> None:
    world = place.world
    older = backup_without_the_account(place)
    world.all_ready()
    account, opened = world.account_sid(), world.store.count_accounts()
    found = restore_without_the_account(place, older)
    assert account in condition(found, "Ready")["message"]
    world.until("AwsCredential", "main", is_("Stalled", "True", "AccountMissing"), timeout=LONG)
    assert world.store.count_accounts() == opened - 1

    place.values["ACCOUNT_SID"] = account
    place.follow("replace the account")
    world.until("RecordingAccount", "default", lambda each: each["status"]["accountSid"] != account, timeout=LONG)
    place.all_ready()
    assert world.store.count_accounts() == opened
    assert len(world.credentials()) == 1


def test_the_account_that_a_restored_store_lacks_comes_back_with_a_newer_backup(place: Place) -> None:
    world, backup = place.world, place.world.store.folder / "store.db.backup"
    older = backup_without_the_account(place)
    world.all_ready()
    account = world.account_sid()
    place.follow("back up")
    newer = backup.read_bytes()
    restore_without_the_account(place, older)
    backup.write_bytes(newer)
    place.restore(STORE)
    place.all_ready()
    assert world.account_sid() == account
    assert len(world.credentials()) == 1


def test_what_is_there_before_the_store_is_told_with_its_account(place: Place) -> None:
    world, backup = place.world, place.world.store.folder / "store.db.backup"
    older = backup_without_the_account(place)
    world.all_ready()
    account = world.account_sid()
    place.follow("back up")
    newer = backup.read_bytes()
    backup.write_bytes(older)
    place.follow(STORE)
    place.lose_resources()
    place.follow(RESOURCES)
    found = world.until("RecordingAccount", "default", is_("Stalled", "True", "ApiKeyRefused"), timeout=LONG)
    assert account in condition(found, "Ready")["message"]
    assert world.store.count_accounts() == 0
    backup.write_bytes(newer)
    place.restore(STORE)
    place.all_ready()
    assert world.account_sid() == account


def test_every_block_of_the_page_is_followed_here() -> None:
    assert set(PAGE.blocks) == {
        "back up",
        "look now",
        RESOURCES,
        WITH_STATUS,
        ETCD,
        STORE,
        "replace the account",
    }
