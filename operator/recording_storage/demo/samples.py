"""The resources that the demo applies: the very files that the README shows."""

from pathlib import Path
from typing import Any

import yaml

from recording_storage.demo.kube import Kube, load
from recording_storage.demo.parts import CHECKOUT
from recording_storage.demo.s3 import Keys

EXAMPLES = CHECKOUT / "docs" / "examples"
NAMESPACE = "recording-demo"
OPERATOR = "recording-storage-operator"
RECORDER = "recorder"
"""ServiceAccounts, and the pods that their tokens are bound to."""
KINDS = ("RecordingAccount", "AwsCredential", "PublicKey", "RecordingSettings")
_SHORT_WINDOW = "20s"


def settings_sample() -> dict[str, Any]:
    return load(EXAMPLES / "settings.yaml")[0]


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """Of the sample's path-style URL."""
    bucket, _, prefix = url.split("://", 1)[1].split("/", 1)[1].partition("/")
    return bucket, f"{prefix.rstrip('/')}/" if prefix else ""


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


def apply_samples(kube: Kube, *, keys: Keys, settings: dict[str, Any]) -> None:
    """The Secret with the demo's own key pair, then the README's resources as they stand."""
    (secret,) = load(EXAMPLES / "aws-secret.yaml")
    secret["stringData"] = {"accessKeyId": keys.access_key_id, "secretAccessKey": keys.secret_access_key}
    kube.apply(secret, namespace=NAMESPACE)
    for name in ("account.yaml", "credential.yaml"):
        for manifest in load(EXAMPLES / name):
            kube.apply(manifest, namespace=NAMESPACE)
    kube.apply(settings, namespace=NAMESPACE)


def write_short_window(path: Path, *, settings: dict[str, Any]) -> None:
    """The same settings with a retry window that a person can wait for."""
    spec = {**settings["spec"], "upload": {**settings["spec"].get("upload", {}), "retryWindow": _SHORT_WINDOW}}
    path.write_text(yaml.safe_dump({**settings, "spec": spec}, sort_keys=False))
