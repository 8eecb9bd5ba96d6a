"""The API server that tests get is the real one, with RBAC and tokens."""

import pytest

from tests.cluster.accounts import (
    create_pod,
    create_service_account,
    review_token,
    service_account_kubeconfig,
    service_account_token,
)
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Kube, KubeError
from tests.cluster.namespaces import create_namespace, delete_namespace

pytestmark = pytest.mark.slow

AUDIENCE = "recording-storage"


def test_a_token_bound_to_a_pod_names_account_and_pod_to_its_audience_only(kube: Kube, namespace: str) -> None:
    create_service_account(kube, namespace=namespace, name="sip")
    create_pod(kube, namespace=namespace, name="sip-0", service_account="sip")
    token = service_account_token(kube, namespace=namespace, name="sip", audience=AUDIENCE, pod="sip-0")

    status = review_token(kube, token, audience=AUDIENCE)

    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:sip"
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["sip-0"]
    assert not review_token(kube, token).get("authenticated")


def test_a_service_account_may_nothing_that_no_role_gives_it(cluster: Cluster, namespace: str) -> None:
    kubeconfig = service_account_kubeconfig(cluster, namespace=namespace, name="nobody")
    with pytest.raises(KubeError) as caught:
        Kube.from_kubeconfig(kubeconfig).list("v1", "Secret", namespace=namespace)
    assert caught.value.status == 403


def test_a_namespace_goes_with_its_content_even_if_that_has_finalizers(kube: Kube) -> None:
    create_namespace(kube, "to-be-removed")
    metadata = {"name": "held", "namespace": "to-be-removed", "finalizers": ["example.com/never"]}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    delete_namespace(kube, "to-be-removed")

    names = [item["metadata"]["name"] for item in kube.list("v1", "ConfigMap")]
    assert "held" not in names
    with pytest.raises(KubeError) as caught:
        kube.get("v1", "Namespace", "to-be-removed")
    assert caught.value.reason == "NotFound"
