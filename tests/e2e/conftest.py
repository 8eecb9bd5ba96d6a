"""`node`: one real node for a module's tests; `bucket` and `gate` as its pods reach them; `team` of a release."""

from collections.abc import Iterator

import pytest

from tests.cluster.kube import Kube
from tests.cluster.namespaces import create_namespace
from tests.controller import resources
from tests.e2e import pods, recorders
from tests.e2e.gate import TimedGate
from tests.e2e.node import Node
from tests.e2e.pods import Site
from tests.e2e.release import Release
from tests.e2e.team import Served
from tests.s3.fixtures import Bucket, create_bucket
from tests.s3.servers import S3Server
from tests.tools import rights
from tests.tools.cache import tell
from tests.tools.errors import ToolFailed, ToolMissing
from tests.waiting import eventually

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        item.session.stash[_failed] = True
    return report


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One of each module's own: what an API server keeps of a release that has gone must not meet the next.

    Where one can be made, failing to is a failure: nothing else would tell of tools that do not build.
    """
    if lacking := rights.missing():
        pytest.skip(f"NO REAL PODS HERE: {lacking}")
    try:
        found = Node()
    except (ToolMissing, ToolFailed) as error:
        pytest.fail(str(error), pytrace=False)
    yield found
    if request.session.stash.get(_failed, False):
        folder = tmp_path_factory.mktemp("node")
        found.keep_logs(folder)
        tell(f"node: logs, pods and events are in {folder}")
    found.close()


@pytest.fixture
def kube(node: Node) -> Kube:
    return node.kube


@pytest.fixture
def namespace(request: pytest.FixtureRequest, kube: Kube) -> str:
    """Goes with the node; what a test leaves there is kept for its logs."""
    name = request.node.name.replace("_", "-").removeprefix("test-")[:63].rstrip("-")
    create_namespace(kube, name)
    return name


@pytest.fixture
def bucket(versity_server: S3Server) -> Bucket:
    return create_bucket(versity_server)


@pytest.fixture
def gate(node: Node, versity_server: S3Server) -> Iterator[TimedGate]:
    """In front of the bucket's server, on the address where pods reach this process."""
    with TimedGate(versity_server.endpoint, address=node.machine.host) as opened:
        yield opened


@pytest.fixture
def site(node: Node, namespace: str, bucket: Bucket, gate: TimedGate) -> Site:
    """A namespace with a claim, a bucket, and the settings of an uploader that is alone."""
    volume = node.folder / "volumes" / namespace
    found = Site(kube=node.kube, namespace=namespace, volume=volume, bucket=bucket, gate=gate)
    pods.claim(found)
    pods.settings(found)
    return found


@pytest.fixture(scope="module")
def line(node: Node, versity_server: S3Server) -> Iterator[TimedGate]:
    """What the release knows as its server."""
    with TimedGate(versity_server.endpoint, address=node.machine.host) as opened:
        yield opened


@pytest.fixture(scope="module")
def release(node: Node, line: TimedGate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    values = {"store": {"allowEndpoints": [line.endpoint]}, "injection": {"enabled": True}}
    release = Release(node, namespace="served", folder=tmp_path_factory.mktemp("release"), values=values)
    try:
        release.works()
        probe = recorders.recorder("probe", claim="probe")
        eventually(lambda: release.injects(probe, namespace="default"), what="injection is in force")
        yield release
    finally:
        release.close()


@pytest.fixture
def team(
    request: pytest.FixtureRequest, release: Release, node: Node, line: TimedGate, bucket: Bucket
) -> Iterator[Served]:
    name = request.node.name.replace("_", "-").removeprefix("test-")[:40].strip("-")
    line.open()
    release.open_team(name)
    team = Served(node, name, release, bucket, line)
    team.kube.apply([
        resources.account(name),
        resources.aws_secret(name, bucket.credentials),
        resources.aws_credential(name),
    ])  # fmt: skip
    team.apply_settings()
    yield team
    release.close_team(name)
