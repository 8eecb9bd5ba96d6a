"""One replica works; another takes over quickly; both say how they are."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.cluster.accounts import service_account_kubeconfig
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube
from tests.controller import resources
from tests.controller.cluster.watch_gate import WatchGate
from tests.controller.parts import Operator, Store
from tests.controller.watching import ready, until
from tests.s3.fixtures import create_bucket
from tests.s3.servers import S3Server
from tests.tools.ports import free_port
from tests.waiting import SOON

pytestmark = pytest.mark.slow
QUICK = ("--lease-duration", "12", "--renew-deadline", "9", "--retry-period", "1")
MANIFEST = Path(__file__).parents[2] / "docs" / "examples" / "rbac.yaml"


@pytest.fixture
def make(tmp_path: Path, cluster: Cluster, crds: list[Document], store: Store) -> Iterator[Callable[..., Operator]]:
    made: list[Operator] = []

    def make_one(*more: str, kubeconfig: Path | None = None) -> Operator:
        made.append(Operator(tmp_path, kubeconfig=kubeconfig or cluster.kubeconfig, store=store, more=more))
        return made[-1]

    yield make_one
    for each in made:
        each.stop()


def test_a_standby_takes_over_at_once_from_one_that_ends_and_soon_from_one_that_is_killed(
    make: Callable[..., Operator], namespace: str
) -> None:
    own = ("--namespace", namespace, "--lease-namespace", namespace, *QUICK)
    lasting = (*own, "--lease-duration", "3600")  # nobody has to wait for that where its holder ends in order
    first, second, third = make(*lasting), make(*own), make(*own)
    first.start()
    second.launch()
    assert "leads" in second.wait_for("standing by")
    assert first.stop(signal.SIGTERM) == 0
    second.wait_for("operator: ready")

    third.launch()
    third.wait_for("standing by")
    second.kill()
    third.wait_for("operator: ready", timeout=SOON)


def test_a_leader_that_was_stopped_writes_nothing_when_it_goes_on(  # noqa: PLR0917 - pytest's
    make: Callable[..., Operator], cluster: Cluster, kube: Kube, namespace: str, moto_server: S3Server, tmp_path: Path
) -> None:
    bucket = create_bucket(moto_server)
    own = ("--namespace", namespace, "--lease-namespace", namespace, *QUICK)
    with WatchGate(cluster) as gate:
        old, standby = make(*own, kubeconfig=gate.kubeconfig(tmp_path)), make(*own)
        old.start()
        kube.apply(
            [
                resources.account(namespace),
                resources.aws_secret(namespace, bucket.credentials),
                resources.aws_credential(namespace),
                resources.settings(namespace, bucket.url),
            ]
        )
        until(kube, "RecordingSettings", "default", ready, namespace=namespace)
        standby.launch()
        standby.wait_for("standing by")

        os.kill(old.pid, signal.SIGSTOP)
        before = len(gate.writes)
        try:
            standby.wait_for("operator: ready", timeout=SOON)
            spec = {"spec": {"friendlyName": "meanwhile"}}
            kube.patch(resources.API, "RecordingSettings", "default", spec, namespace=namespace)
            until(kube, "RecordingSettings", "default", ready, namespace=namespace)
        finally:
            os.kill(old.pid, signal.SIGCONT)
        assert old.ended() == 1
        assert "is lost" in old.log
        # One renewal may have been under way when it was stopped; the Lease's version makes it fail.
        assert [each for each in gate.writes[before:] if "/leases/" not in each] == []


def test_the_least_rights_of_the_manifest_are_enough(  # noqa: PLR0917 - pytest's
    make: Callable[..., Operator], cluster: Cluster, kube: Kube, namespace: str, store: Store, moto_server: S3Server
) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "recording-storage"}})
    kube.apply(MANIFEST)
    kubeconfig = service_account_kubeconfig(cluster, namespace="recording-storage", name="recording-storage-operator")
    port = free_port()
    operator = make(
        "--lease-namespace", "recording-storage", "--metrics-listen", f"127.0.0.1:{port}", kubeconfig=kubeconfig
    )
    operator.start()
    bucket = create_bucket(moto_server)
    kube.apply(
        [
            resources.account(namespace),
            resources.aws_secret(namespace, bucket.credentials),
            resources.aws_credential(namespace),
            resources.settings(namespace, bucket.url),
        ]
    )
    until(kube, "RecordingSettings", "default", ready, namespace=namespace)
    assert "ForbiddenByCluster" not in operator.log
    assert "forbidden" not in operator.log.lower()
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=SOON).text == "ok\n"
    assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=SOON).status_code == 200
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=SOON).text
    assert 'recording_storage_operator_objects{kind="RecordingSettings",ready="True"} 1.0' in metrics
    assert "recording_storage_operator_leading 1.0" in metrics
    assert operator.stop(signal.SIGINT) == 0


def test_in_some_namespaces_only_a_role_binding_in_each_is_enough(  # noqa: PLR0917 - pytest's
    make: Callable[..., Operator], cluster: Cluster, kube: Kube, namespace: str, store: Store, moto_server: S3Server
) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "recording-storage"}})
    kube.apply(MANIFEST)
    kubeconfig = service_account_kubeconfig(cluster, namespace=namespace, name="narrow")
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "narrow", "namespace": namespace}
    for where, kind in ((namespace, "ClusterRole"), ("recording-storage", "Role")):
        kube.apply(
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": f"narrow-{namespace}", "namespace": where},
                "roleRef": {"apiGroup": group, "kind": kind, "name": "recording-storage-operator"},
                "subjects": [subject],
            }
        )
    bucket = create_bucket(moto_server)
    kube.apply(
        [
            resources.account(namespace),
            resources.aws_secret(namespace, bucket.credentials),
            resources.aws_credential(namespace),
            resources.settings(namespace, bucket.url),
        ]
    )
    make_args = ("--namespace", namespace, "--lease-namespace", "recording-storage")
    operator = make(*make_args, kubeconfig=kubeconfig)
    operator.start()
    until(kube, "RecordingSettings", "default", ready, namespace=namespace)
    assert "forbidden" not in operator.log.lower()
