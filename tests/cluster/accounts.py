"""Service accounts: their tokens, and kubeconfigs that have their rights only."""

from collections.abc import Sequence
from pathlib import Path

from tests.cluster.cluster import Cluster, write_kubeconfig
from tests.cluster.kube import Document, Kube


def create_service_account(kube: Kube, *, namespace: str, name: str) -> Document:
    return kube.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
    )[0]


def create_pod(
    kube: Kube, *, namespace: str, name: str, service_account: str = "default", claims: Sequence[str] = ()
) -> Document:
    """The object only: nothing here runs a pod, but a token can be bound to it."""
    volumes = [
        {"name": f"v{number}", "persistentVolumeClaim": {"claimName": each}} for number, each in enumerate(claims)
    ]
    return kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "serviceAccountName": service_account,
                "containers": [{"name": "main", "image": "none"}],
                "volumes": volumes,
            },
        }
    )[0]


def service_account_token(
    kube: Kube, *, namespace: str, name: str, audience: str | None = None, pod: str | None = None, seconds: int = 3600
) -> str:
    """A token of TokenRequest for `audience` (None: the API server itself), bound to `pod` if given."""
    spec: Document = {"expirationSeconds": seconds, "audiences": [audience] if audience else []}
    if pod is not None:
        uid = kube.get("v1", "Pod", pod, namespace=namespace)["metadata"]["uid"]
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    token: str = kube.request("POST", path, request)["status"]["token"]
    return token


def review_token(kube: Kube, token: str, *, audience: str | None = None) -> Document:
    """The status of a TokenReview."""
    spec: Document = {"token": token} | ({"audiences": [audience]} if audience else {})
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    status: Document = kube.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    return status


def service_account_kubeconfig(cluster: Cluster, *, namespace: str, name: str) -> Path:
    """A kubeconfig with the rights of that service account; the account is made if it isn't there."""
    kube = cluster.kube()
    try:
        create_service_account(kube, namespace=namespace, name=name)
        token = service_account_token(kube, namespace=namespace, name=name)
    finally:
        kube.close()
    path = cluster.data_dir / f"kubeconfig-{namespace}-{name}"
    write_kubeconfig(path, server=cluster.server, ca=cluster.ca_file.read_bytes(), user={"token": token})
    return path
