"""docs/install.md, followed to the letter on a cluster with real pods: from nothing to a recording, and back."""

import base64
import re
from pathlib import Path

import pytest

from tests.cluster.kube import Document, Kube
from tests.e2e import pods
from tests.e2e.gate import TimedGate
from tests.e2e.node import Node
from tests.image.builder import IDLE, IMAGE
from tests.s3.fixtures import Bucket
from tests.tools.pages import DOCS, CommandFailedError, Page
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PAGE = Page("install.md", tools=["helm", "kubectl"])
RECORDER = Page("recorders.md").blocks["recorder"]
RELEASE, TEAM = "recording-storage", "team"
REGISTRY = "localhost"
API = "recordingstorage.dev/v1alpha1"


class Reader:
    """Who follows the page: in a checkout, with variables that it asks for."""

    def __init__(self, folder: Path, node: Node, gate: TimedGate, bucket: Bucket) -> None:
        for part in ("charts", "docs"):
            (folder / part).symlink_to(DOCS.parent / part)
        self.folder = folder
        self._environment = {
            "KUBECONFIG": str(node.cluster.kubeconfig),
            "REGISTRY": REGISTRY,
            "TEAM": TEAM,
            "BUCKET_SERVER": gate.endpoint,
            "BUCKET_URL": bucket.url_at(gate.endpoint),
            "BUCKET_REGION": bucket.server.region,
            "ACCESS_KEY_ID": bucket.credentials.access_key,
            "SECRET_ACCESS_KEY": bucket.credentials.secret_key,
        }
        self.followed: set[str] = set()

    def follows(self, name: str) -> str:
        self.followed.add(name)
        return PAGE.follow(name, folder=self.folder, environment=self._environment)


@pytest.fixture
def reader(node: Node, gate: TimedGate, bucket: Bucket, tmp_path: Path) -> Reader:
    """On a cluster that has the image, the recorder's, and a provisioner of volumes."""
    version = re.search(
        r"^appVersion: (.+)$", (DOCS.parent / "charts" / RELEASE / "Chart.yaml").read_text(), re.MULTILINE
    )
    assert version is not None
    (recorder,) = re.findall(r"image: (\S+)", RECORDER)
    node.name_image(IMAGE, f"{REGISTRY}/recording-storage:{version[1]}")
    node.name_image(IDLE, recorder)
    for namespace, claim in ((RELEASE, f"{RELEASE}-store"), (TEAM, "recordings")):
        pods.volume(node.kube, node.folder / "volumes" / f"{namespace}-{claim}", namespace=namespace, claim=claim)
    return Reader(tmp_path, node, gate, bucket)


def test_the_page_leads_from_nothing_to_a_recording_and_back(reader: Reader, node: Node, bucket: Bucket) -> None:
    reader.follows("install")
    reader.follows("keep the master key")
    assert (reader.folder / "master.key").read_bytes() == master_key(node.kube)
    reader.follows("turn injection on")
    reader.follows("allow a server")
    reader.follows("a namespace of recorders")
    (reader.folder / "recorder.yaml").write_text(RECORDER)
    reader.follows("a recorder")

    (key,) = eventually(bucket.keys, what="the recording is in the bucket")
    assert len(bucket.read(key)) == 1_000_000
    (spool,) = eventually(lambda: quiet(node.kube), what="the spool is told of as attended, and empty")
    listed = reader.follows("look")
    assert f"recordingspool.recordingstorage.dev/{spool['metadata']['name']}" in listed
    assert "recordingsettings.recordingstorage.dev/default" in listed

    with pytest.raises(CommandFailedError, match="job recording-storage-uninstall failed"):
        reader.follows("uninstall")
    assert TEAM in reader.follows("why it is refused")
    reader.follows("delete the resources")
    reader.follows("uninstall")
    reader.follows("remove what has stayed")

    assert left(node.kube) == []
    assert reader.followed == set(PAGE.blocks) - {"leave the resources"}


def master_key(kube: Kube) -> bytes:
    data = kube.get("v1", "Secret", f"{RELEASE}-store-master-key", namespace=RELEASE)["data"]
    return base64.b64decode(data["master.key"])


def quiet(kube: Kube) -> list[Document]:
    return [
        found
        for found in kube.list(API, "RecordingSpool", namespace=TEAM)
        if {"Ready", "Attended"} <= {each["type"] for each in conditions(found) if each["status"] == "True"}
    ]


def conditions(found: Document) -> list[Document]:
    told: list[Document] = found.get("status", {}).get("conditions", [])
    return told


def left(kube: Kube) -> list[str]:
    """Of the cluster's own objects, and namespaces, what bears our name."""
    kinds = [
        ("v1", "Namespace"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ]
    names = [found["metadata"]["name"] for version, kind in kinds for found in kube.list(version, kind)]
    return [name for name in names if re.search(r"recording-?storage|^team$", name)]
