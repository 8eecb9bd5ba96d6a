"""The chart on a node, as helm installs it there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.chart.helm import CHART, Helm, helm_binary
from tests.cluster.kube import Document
from tests.cluster.namespaces import create_namespace, delete_namespace
from tests.e2e import pods
from tests.e2e.node import Node
from tests.image.builder import IMAGE
from tests.injection.policies import UPLOADER, dry_run, names
from tests.waiting import eventually

STORE, OPERATOR = "rec-recording-storage-store", "rec-recording-storage-operator"
API = "recordingstorage.dev/v1alpha1"
_REPOSITORY, _, _TAG = IMAGE.rpartition(":")
_WITH_EACH: Mapping[str, Any] = {
    "image": {"repository": _REPOSITORY, "tag": _TAG},
    "crds": {"keep": False},  # the next one brings them, too
    "uninstall": {"check": False},
}


class Release:
    """Injection is in force where `values` turn it on. Nothing else is waited for."""

    def __init__(self, node: Node, *, namespace: str, folder: Path, values: Mapping[str, Any]) -> None:
        self.kube, self.namespace = node.kube, namespace
        self._helm = Helm(helm_binary(), home=folder, kubeconfig=node.cluster.kubeconfig)
        self._teams: set[str] = set()
        create_namespace(self.kube, namespace)
        pods.volume(self.kube, node.folder / "volumes" / namespace, namespace=namespace, claim=STORE)
        self._helm("install", "rec", str(CHART), "-n", namespace, values={**_WITH_EACH, **values})

    def close(self) -> None:
        """With all that it has served, whose deletion would wait for it."""
        for team in list(self._teams):
            self.close_team(team)
        self._helm("uninstall", "rec", "-n", self.namespace)
        delete_namespace(self.kube, self.namespace)

    def open_team(self, name: str) -> None:
        """A namespace, ready for pods."""
        create_namespace(self.kube, name)
        self._teams.add(name)
        eventually(lambda: pods.has_service_account(self.kube, name), what="the namespace has its service account")

    def close_team(self, name: str) -> None:
        """At once, whatever would wait for the operator."""
        delete_namespace(self.kube, name)
        self._teams.discard(name)

    def works(self) -> None:
        """Waits until store and operator are ready."""
        for name in (STORE, OPERATOR):
            eventually(lambda name=name: self._ready(name), what=f"{name} is ready", within=120.0)

    def injects(self, pod: Document, *, namespace: str) -> bool:
        """Whether the pod would get an uploader."""
        return UPLOADER in names(dry_run(self.kube, pod, namespace=namespace))

    def _ready(self, name: str) -> bool:
        found = self.kube.get("apps/v1", "Deployment", name, namespace=self.namespace)
        status: Document = found.get("status", {})
        return bool(status.get("readyReplicas", 0) == found["spec"]["replicas"])
