"""Nothing hangs in its deletion when the operator goes: it is told beforehand, or let go of afterwards."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recording_storage.cli.main import main
from recording_storage.controller.reconcile import FINALIZER
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube, KubeError
from tests.controller import resources
from tests.controller.parts import Operator, Store
from tests.controller.watching import until
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("crds")]


def uninstall(cluster: Cluster, namespace: str, *options: str) -> Result:
    arguments = ["uninstall", "--kubeconfig", str(cluster.kubeconfig), "--namespace", namespace, *options]
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def account(kube: Kube, namespace: str) -> Document:
    """As an operator leaves it that has gone."""
    made = resources.account(namespace)
    made["metadata"]["finalizers"] = ["example.com/other", FINALIZER]
    return kube.create(made, namespace=namespace)


def test_of_an_empty_cluster_it_says_so(cluster: Cluster, namespace: str) -> None:
    result = uninstall(cluster, namespace)
    assert (result.exit_code, result.stdout) == (0, "no resource waits for the operator\n")


def test_what_waits_is_named_and_left_as_it_is(cluster: Cluster, kube: Kube, namespace: str, account: Document) -> None:
    result = uninstall(cluster, namespace)
    assert result.exit_code == 3
    assert result.stdout == f"holds RecordingAccount {namespace}/default\n"
    assert "delete them while it runs" in result.stderr
    assert "--let-go" in result.stderr
    assert kube.request("GET", kube.path(account))["metadata"]["finalizers"] == account["metadata"]["finalizers"]


def test_let_go_it_hangs_no_more_and_stays(cluster: Cluster, kube: Kube, namespace: str, account: Document) -> None:
    result = uninstall(cluster, namespace, "--let-go")
    assert (result.exit_code, result.stdout) == (0, f"let go of RecordingAccount {namespace}/default\n")
    assert kube.request("GET", kube.path(account))["metadata"]["finalizers"] == ["example.com/other"]
    assert uninstall(cluster, namespace).exit_code == 0


def test_what_hung_in_its_deletion_ends(cluster: Cluster, kube: Kube, namespace: str) -> None:
    made = resources.account(namespace)
    made["metadata"]["finalizers"] = [FINALIZER]
    path = kube.path(kube.create(made, namespace=namespace))
    kube.request("DELETE", path)
    assert kube.request("GET", path)["metadata"]["deletionTimestamp"]
    assert uninstall(cluster, namespace, "--let-go").exit_code == 0
    with pytest.raises(KubeError) as gone:
        kube.request("GET", path)
    assert gone.value.status == 404


def test_what_an_operator_has_let_go_by_itself_is_not_in_the_way(
    cluster: Cluster, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    store = Store(tmp_path, allow=())
    operator = Operator(
        tmp_path,
        kubeconfig=cluster.kubeconfig,
        store=store,
        more=["--namespace", namespace, "--lease-namespace", namespace],
    )
    store.start()
    operator.start()
    try:
        kube.create(resources.account(namespace), namespace=namespace)
        until(kube, "RecordingAccount", "default", lambda each: FINALIZER in str(each), namespace=namespace)
        assert uninstall(cluster, namespace).exit_code == 3
        kube.delete(resources.API, "RecordingAccount", "default", namespace=namespace)
        eventually(lambda: uninstall(cluster, namespace).exit_code == 0, what="it is gone")
    finally:
        operator.stop()
        store.stop()
