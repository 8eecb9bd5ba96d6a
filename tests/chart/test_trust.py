"""The operator of a release, with no more than the release's rights, makes what the store's pod waits for."""

from pathlib import Path

import pytest
import yaml

from tests.chart.helm import CHART, Helm
from tests.cluster.accounts import service_account_kubeconfig
from tests.cluster.cluster import Cluster
from tests.cluster.kube import Document, Kube, KubeError
from tests.controller.parts import Operator
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("crds")]
STORE, OPERATOR = "rec-recording-storage-store", "rec-recording-storage-operator"


def test_it_makes_the_secrets_that_the_store_mounts(
    cluster_helm: Helm, cluster: Cluster, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    cluster_helm("install", "rec", str(CHART), "-n", namespace, "--take-ownership")
    try:
        kubeconfig = service_account_kubeconfig(cluster, namespace=namespace, name=OPERATOR)
        deployments = kube.list("apps/v1", "Deployment", namespace=namespace)
        pods = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in deployments}
        # What is mounted into its pod is not here; that it can be had is for real pods to show.
        (container,) = pods[OPERATOR]["containers"]
        argv = [each for each in container["args"][1:] if not each.startswith(("--token-file", "--metrics-listen"))]
        operator = Operator(tmp_path, kubeconfig=kubeconfig, store=None, more=argv)
        operator.start()
        try:
            wanted = [each["secret"] for each in pods[STORE]["volumes"] if "secret" in each]
            for volume in wanted:
                keys = {each["key"] for each in volume["items"]}
                eventually(
                    lambda volume=volume, keys=keys: keys <= _keys(kube, namespace, volume["secretName"]),
                    what=str(volume),
                )
            bundle = kube.get("v1", "ConfigMap", "rec-recording-storage-ca", namespace=namespace)["data"]["ca.crt"]
            assert bundle.startswith("-----BEGIN CERTIFICATE-----")
            assert "403" not in operator.log
        finally:
            operator.stop()
        # Neither helm nor a rendering knows what is in them, so no upgrade changes it.
        before = _secrets(kube, namespace)
        cluster_helm("upgrade", "rec", str(CHART), "-n", namespace)
        assert _secrets(kube, namespace) == before
    finally:
        cluster_helm("uninstall", "rec", "-n", namespace, "--no-hooks")
    assert _secrets(kube, namespace) == before


def _keys(kube: Kube, namespace: str, name: str) -> set[str]:
    try:
        found: Document = kube.get("v1", "Secret", name, namespace=namespace)
    except KubeError as error:
        if error.status != 404:
            raise
        return set()
    return set(found.get("data") or {})


def _secrets(kube: Kube, namespace: str) -> dict[str, str]:
    """The release's own, by name; their content in one text."""
    found = kube.list("v1", "Secret", namespace=namespace)
    ours = [each for each in found if each["type"] != "helm.sh/release.v1"]
    return {each["metadata"]["name"]: yaml.safe_dump(each["data"]) for each in ours}
