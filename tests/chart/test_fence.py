"""What the operator's service account may write: on a real API server its policy holds whatever RBAC says."""

import base64
from collections.abc import Callable, Iterator

import pytest

from tests.chart.helm import CHART, Helm
from tests.cluster.accounts import service_account_kubeconfig
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube, KubeError
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("crds")]
OPERATOR = "rec-recording-storage-operator"
OWN_SECRETS = (
    "recording-storage-operator-hash-key",
    "rec-recording-storage-ca",
    "rec-recording-storage-store-tls",
    "rec-recording-storage-store-master-key",
)
OURS = {"app.kubernetes.io/managed-by": "recording-storage"}
BASIC = "kubernetes.io/basic-auth"
PASSWORD = {"password": base64.b64encode(b"x").decode(), "username": ""}


@pytest.fixture(scope="module")
def home(kube: Kube, cluster: Cluster, helm_tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The operator's namespace, with the release in it."""
    name = "fence-home"
    create_namespace(kube, name)
    helm = Helm(helm_tool, home=tmp_path_factory.mktemp("helm"), kubeconfig=cluster.kubeconfig)
    helm("install", "rec", str(CHART), "-n", name, "--take-ownership")
    # With every right: what is refused from now on, the policy refuses.
    subject = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": name}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "fence-wide"},
    }
    kube.apply(binding | {"roleRef": role, "subjects": [subject]})
    yield name
    kube.delete("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "fence-wide")
    helm("uninstall", "rec", "-n", name, "--no-hooks")
    delete_namespace(kube, name)


@pytest.fixture(scope="module")
def operator(cluster: Cluster, home: str) -> Iterator[Kube]:
    """The API server as the operator sees it, once the policy is in force there."""
    client = Kube.from_kubeconfig(service_account_kubeconfig(cluster, namespace=home, name=OPERATOR))
    eventually(lambda: refused(client, secret("probe", namespace=home)), what="the policy is in force")
    yield client
    client.close()


def secret(name: str, *, namespace: str, ours: bool = False, kind: str = "Opaque") -> Document:
    metadata = {"name": name, "namespace": namespace, "labels": OURS if ours else {}}
    data = {} if kind != BASIC else PASSWORD
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data}


def refusal(call: Callable[[], object]) -> str:
    """What the API server says when it forbids the call; nothing when it doesn't."""
    try:
        call()
    except KubeError as error:
        if error.status != 403:
            raise
        return str(error)
    return ""


def refused(kube: Kube, document: Document) -> str:
    """Why it may not be made; nothing is made either way."""
    path = kube.path(document, collection=True)
    return refusal(lambda: kube.request("POST", path, document, query={"dryRun": "All"}))


def patched(kube: Kube, document: Document, body: Document) -> str:
    """Why it may not be changed so."""
    meta = document["metadata"]
    return refusal(lambda: kube.patch("v1", document["kind"], meta["name"], body, namespace=meta["namespace"]))


def test_it_makes_secrets_that_carry_its_label(operator: Kube, namespace: str) -> None:
    assert refused(operator, secret("key", namespace=namespace, ours=True, kind=BASIC)) == ""
    why = refused(operator, secret("key", namespace=namespace, kind=BASIC))
    assert f"secrets {namespace}/key is neither" in why
    assert "app.kubernetes.io/managed-by=recording-storage" in why


def test_it_changes_secrets_that_carry_its_label_and_leaves_it_there(
    operator: Kube, kube: Kube, namespace: str
) -> None:
    ours = kube.create(secret("ours", namespace=namespace, ours=True, kind=BASIC))
    assert patched(operator, ours, {"metadata": {"annotations": {"a": "b"}}}) == ""
    assert patched(operator, ours, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})


def test_it_takes_no_secret_of_anybody_else(operator: Kube, kube: Kube, namespace: str) -> None:
    theirs = kube.create(secret("theirs", namespace=namespace))
    assert patched(operator, theirs, {"metadata": {"annotations": {"a": "b"}}})
    assert patched(operator, theirs, {"metadata": {"labels": OURS}})
    assert patched(operator, theirs, {"data": PASSWORD})


def test_it_asks_for_no_other_service_accounts_token(operator: Kube, namespace: str) -> None:
    token = secret("token", namespace=namespace, ours=True, kind="kubernetes.io/service-account-token")
    token["metadata"]["annotations"] = {"kubernetes.io/service-account.name": "default"}
    assert "of the types" in refused(operator, token)


def test_it_deletes_none(operator: Kube, kube: Kube, namespace: str) -> None:
    kube.create(secret("ours", namespace=namespace, ours=True))
    with pytest.raises(KubeError, match="is neither"):
        operator.delete("v1", "Secret", "ours", namespace=namespace)


@pytest.mark.parametrize("name", OWN_SECRETS)
def test_in_its_own_namespace_its_own_secrets_need_no_label(
    operator: Kube, home: str, namespace: str, name: str
) -> None:
    assert refused(operator, secret(name, namespace=home)) == ""
    assert refused(operator, secret(name, namespace=namespace))


def test_in_its_own_namespace_others_secrets_are_not_its_own(operator: Kube, home: str) -> None:
    assert refused(operator, secret("anybody", namespace=home))


def config_map(name: str, *, namespace: str) -> Document:
    metadata = {"name": name, "namespace": namespace, "labels": OURS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_it_writes_the_one_config_map_that_says_whom_to_trust(operator: Kube, home: str, namespace: str) -> None:
    assert refused(operator, config_map("rec-recording-storage-ca", namespace=home)) == ""
    assert refused(operator, config_map("rec-recording-storage-ca", namespace=namespace))
    assert refused(operator, config_map("any", namespace=home))


def test_others_are_not_asked(kube: Kube, home: str, operator: Kube, namespace: str) -> None:
    for where in (home, namespace):
        assert refused(kube, secret("any", namespace=where)) == ""
