"""The chart's admission policies on a tests' API server."""

from tests.chart.helm import NAMESPACE, Helm
from tests.cluster.accounts import create_service_account
from tests.cluster.kube import Document, Kube, KubeError
from tests.cluster.namespaces import create_namespace
from tests.waiting import eventually

CA_CONFIG_MAP = "rec-recording-storage-ca"
"""The operator keeps it."""
UPLOADER = "recording-storage-uploader"
LABEL = "recordingstorage.dev/inject"
VALUES = {"injection": {"enabled": True}}


def policies(helm: Helm) -> list[Document]:
    """What the chart renders for injection."""
    return [each for each in helm.objects(VALUES) if _component(each) == "injection"]


def install(kube: Kube, helm: Helm) -> None:
    """Into the release's namespace, and wait until they are in force."""
    create_namespace(kube, NAMESPACE)
    create_service_account(kube, namespace=NAMESPACE, name="default")
    kube.apply(ca_config_map())
    kube.apply(policies(helm))
    eventually(lambda: _injects(kube) and _refuses(kube), what="the policies are in force")


def ca_config_map() -> Document:
    metadata = {"name": CA_CONFIG_MAP, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": "the certificate"}}


def dry_run(kube: Kube, pod: Document, *, namespace: str) -> Document:
    """The pod as it would be, and is not made. Raises KubeError."""
    path = kube.path_of("v1", "Pod", namespace=namespace)
    admitted: Document = kube.request("POST", path, pod, query={"dryRun": "All"})
    return admitted


def recorder(**spec: object) -> Document:
    """A pod that asks for an uploader."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "recorder",
            "labels": {LABEL: "true"},
            "annotations": {"recordingstorage.dev/spool-volume": "spool"},
        },
        "spec": {
            "securityContext": {"runAsUser": 1000},
            "containers": [
                {"name": "recorder", "image": "r", "volumeMounts": [{"name": "spool", "mountPath": "/spool"}]}
            ],
            "volumes": [{"name": "spool", "persistentVolumeClaim": {"claimName": "spool"}}],
            **spec,
        },
    }


def names(pod: Document) -> list[str]:
    """Of its init containers."""
    return [each["name"] for each in pod["spec"].get("initContainers", [])]


def _injects(kube: Kube) -> bool:
    return names(dry_run(kube, recorder(), namespace=NAMESPACE)) == [UPLOADER]


def _refuses(kube: Kube) -> bool:
    try:
        dry_run(kube, recorder(volumes=[{"name": "spool", "emptyDir": {}}]), namespace=NAMESPACE)
    except KubeError:
        return True
    return False


def _component(document: Document) -> str:
    labels = document["metadata"].get("labels", {})
    return str(labels.get("app.kubernetes.io/component", ""))
