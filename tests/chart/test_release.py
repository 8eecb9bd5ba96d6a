"""Releases on a real API server: what it makes of the objects, and a release from its installation to its end.

Nothing here runs a pod, so nobody waits for one.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.helm import CHART, GIVEN, Helm, pod_specs
from tests.cluster.kube import Document, Kube, KubeError, documents

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("crds")]
RELEASE = "rec"
STORE, OPERATOR, UNINSTALL = (f"rec-recording-storage-{each}" for each in ("store", "operator", "uninstall"))
RESTRICTED = {
    f"pod-security.kubernetes.io/{mode}{what}": value
    for mode in ("enforce", "warn", "audit")
    for what, value in (("", "restricted"), ("-version", "latest"))
}


@pytest.fixture
def restricted(kube: Kube, namespace: str) -> str:
    kube.patch("v1", "Namespace", namespace, {"metadata": {"labels": RESTRICTED}})
    return namespace


@pytest.fixture
def release(cluster_helm: Helm, restricted: str) -> Iterator[Helm]:
    """Installed; what is left of it goes at the end, so that the next one finds the names of the cluster free."""
    # The tests have applied the definitions by hand before.
    cluster_helm("install", RELEASE, str(CHART), "-n", restricted, "--take-ownership")
    yield cluster_helm
    cluster_helm("uninstall", RELEASE, "-n", restricted, "--ignore-not-found", "--no-hooks")


def warnings_of(kube: Kube, document: Document, *, namespace: str) -> list[str]:
    """Of a server-side dry run. Raises KubeError where it is refused."""
    path = kube.path(document, namespace=namespace)
    response = kube.api.rest_client.request(
        "PATCH",
        f"{kube.api.configuration.host}{path}?fieldManager=test&force=true&dryRun=All&fieldValidation=Strict",
        headers={"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"},
        body=document,
    )
    if response.status >= 300:
        raise KubeError(response.status, (response.read() or b"").decode())
    return [value for name, value in response.getheaders().items() if name.lower() == "warning"]


@pytest.mark.parametrize(
    "more", [{}, GIVEN, {"networkPolicy": {"enabled": True}}], ids=["default", "given", "networks"]
)
def test_the_api_server_takes_every_object_without_a_warning(
    cluster_helm: Helm, kube: Kube, restricted: str, more: dict[str, Any]
) -> None:
    for document in documents(_rendered(cluster_helm, restricted, more)):
        assert warnings_of(kube, document, namespace=restricted) == [], document["metadata"]["name"]


def test_a_warning_would_be_seen(kube: Kube, restricted: str) -> None:
    pod: Document = {"containers": [{"name": "main", "image": "none"}]}
    spec: Document = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}}}
    loose = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "loose"}, "spec": spec}
    spec["template"]["spec"] = pod
    assert "would violate PodSecurity" in "".join(warnings_of(kube, loose, namespace=restricted))


def test_its_pods_are_admitted_where_restricted_is_enforced(cluster_helm: Helm, kube: Kube, restricted: str) -> None:
    specs = pod_specs(documents(_rendered(cluster_helm, restricted, {})))
    assert set(specs) == {STORE, OPERATOR, UNINSTALL}
    for name, spec in specs.items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": restricted}, "spec": spec}
        assert warnings_of(kube, pod, namespace=restricted) == []


def test_the_notes_tell_the_next_step(cluster_helm: Helm, restricted: str) -> None:
    told = cluster_helm("install", RELEASE, str(CHART), "-n", restricted, "--take-ownership", "--dry-run=client")
    notes = told.partition("NOTES:")[2]
    assert "KEEP A COPY OF THE MASTER KEY" in notes
    assert "get secret rec-recording-storage-store-master-key" in notes
    assert "kind: RecordingAccount" in notes


def test_a_release_from_its_installation_to_its_end(release: Helm, kube: Kube, restricted: str) -> None:
    account: Document = {
        "apiVersion": "recordingstorage.dev/v1alpha1",
        "kind": "RecordingAccount",
        "metadata": {"name": "default"},
        "spec": {"store": {"type": "Bundled"}},
    }
    kube.create(account, namespace=restricted)
    assert _replicas(kube, restricted) == 2
    release("upgrade", RELEASE, str(CHART), "-n", restricted, values={"operator": {"replicas": 3}})
    assert _replicas(kube, restricted) == 3
    release("rollback", RELEASE, "1", "-n", restricted)
    assert _replicas(kube, restricted) == 2
    history = json.loads(release("history", RELEASE, "-n", restricted, "-o", "json"))
    assert [each["status"] for each in history] == ["superseded", "superseded", "deployed"]
    release("uninstall", RELEASE, "-n", restricted, "--no-hooks")
    assert {each["metadata"]["name"] for each in kube.list("apps/v1", "Deployment", namespace=restricted)} == set()
    mine = [each for each in kube.list("rbac.authorization.k8s.io/v1", "ClusterRole") if restricted in str(each)]
    assert mine == []
    # What a person would miss stays: the definitions with all that is of them, and the database.
    kube.get("recordingstorage.dev/v1alpha1", "RecordingAccount", "default", namespace=restricted)
    kube.get("v1", "PersistentVolumeClaim", STORE, namespace=restricted)


def test_it_can_be_installed_again_over_what_it_has_left(release: Helm, kube: Kube, restricted: str) -> None:
    before = kube.get("v1", "PersistentVolumeClaim", STORE, namespace=restricted)["metadata"]["uid"]
    release("uninstall", RELEASE, "-n", restricted, "--no-hooks")
    release("install", RELEASE, str(CHART), "-n", restricted)
    assert kube.get("v1", "PersistentVolumeClaim", STORE, namespace=restricted)["metadata"]["uid"] == before


def _rendered(helm: Helm, namespace: str, values: dict[str, Any]) -> str:
    return helm("template", RELEASE, str(CHART), "-n", namespace, values=values)


def _replicas(kube: Kube, namespace: str) -> int:
    found: int = kube.get("apps/v1", "Deployment", OPERATOR, namespace=namespace)["spec"]["replicas"]
    return found
