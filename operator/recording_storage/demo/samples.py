"""The resources that the demo applies: the very files that the README shows."""

from pathlib import Path
from typing import Any

from recording_storage.demo.kube import Kube, load
from recording_storage.demo.parts import CHECKOUT
from recording_storage.demo.s3 import Keys, port_of

EXAMPLES = CHECKOUT / "docs" / "examples"
NAMESPACE = "recording-demo"
OPERATOR = "recording-storage-operator"
RECORDER = "recorder"
"""ServiceAccounts, and the pods that their tokens are bound to."""
KINDS = ("RecordingAccount", "AwsCredential", "PublicKey", "RecordingSettings")
SETTINGS, SHORT_WINDOW = "settings.yaml", "short-window.yaml"


def bucket_url(folder: Path = EXAMPLES) -> str:
    """The one that the sample of the settings names."""
    (settings,) = load(folder / SETTINGS)
    return str(settings["spec"]["awsStorage"]["url"])


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """Of the sample's path-style URL."""
    bucket, _, prefix = url.split("://", 1)[1].split("/", 1)[1].partition("/")
    return bucket, f"{prefix.rstrip('/')}/" if prefix else ""


def with_port(port: int, *, folder: Path) -> Path:
    """Where the settings for that port are: the samples themselves, or copies in `folder` that name it instead."""
    url = bucket_url()
    if port == port_of(url):
        return EXAMPLES
    folder.mkdir()
    for name in (SETTINGS, SHORT_WINDOW):
        text = (EXAMPLES / name).read_text()
        (folder / name).write_text(text.replace(f":{port_of(url)}/", f":{port}/"))
    return folder


def prepare_cluster(kube: Kube) -> None:
    """Definitions, a namespace of the demo's own, and the two identities."""
    kube.apply_crds(CHECKOUT / "crds")
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for name in (OPERATOR, RECORDER):
        metadata = {"name": name, "namespace": NAMESPACE}
        kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _placeholder(name)})


def _placeholder(service_account: str) -> dict[str, Any]:
    """A pod that is never scheduled: the process runs here, but its token is bound to a pod as in a cluster."""
    return {
        "serviceAccountName": service_account,
        "schedulingGates": [{"name": "recordingstorage.dev/runs-outside"}],
        "containers": [{"name": "outside", "image": "none.invalid/none"}],
    }


def apply_samples(kube: Kube, *, keys: Keys, settings: Path) -> None:
    """The Secret with the demo's own key pair, then the README's resources; `settings` is the folder of that one."""
    (secret,) = load(EXAMPLES / "aws-secret.yaml")
    secret["stringData"] = {"accessKeyId": keys.access_key_id, "secretAccessKey": keys.secret_access_key}
    kube.apply(secret, namespace=NAMESPACE)
    for path in (EXAMPLES / "account.yaml", EXAMPLES / "credential.yaml", settings / SETTINGS):
        for manifest in load(path):
            kube.apply(manifest, namespace=NAMESPACE)
