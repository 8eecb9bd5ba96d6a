"""A namespace with recorders."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.kube import Document, Kube
from tests.controller import resources
from tests.controller.watching import ready, until
from tests.e2e import pods, recorders
from tests.e2e.gate import TimedGate
from tests.e2e.node import Node
from tests.e2e.release import API, Release
from tests.s3.fixtures import Bucket
from tests.waiting import eventually

LONG = 150.0
"""Seconds, for what several processes have a part in."""


@dataclass(frozen=True)
class Team:
    node: Node
    namespace: str

    @property
    def kube(self) -> Kube:
        return self.node.kube

    def claim(self, name: str, *, options: str = "") -> Path:
        """A claim, bound; the folder on the node that it leads to, with `options` a file system of its own."""
        folder = self.node.folder / "volumes" / f"{self.namespace}-{name}"
        pods.volume(self.kube, folder, namespace=self.namespace, claim=name)
        if options:
            self.node.machine.enter("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
        (claim,) = self.kube.apply(recorders.claim(name), namespace=self.namespace)
        eventually(
            lambda: self.kube.request("GET", self.kube.path(claim))["status"]["phase"] == "Bound", what="it is bound"
        )
        return folder

    def start(self, pod: Document) -> Document:
        """As it is once its recorder runs."""
        self.kube.create(pod, namespace=self.namespace)
        return recorders.running(self.kube, pod["metadata"]["name"], namespace=self.namespace)

    def pod(self, name: str) -> Document:
        return self.kube.get("v1", "Pod", name, namespace=self.namespace)

    def end(self, *pods: Document) -> None:
        """Nobody waits for it."""
        for pod in pods:
            self.kube.delete("v1", "Pod", pod["metadata"]["name"], namespace=self.namespace)


@dataclass(frozen=True)
class Served(Team):
    """With account and settings that are Ready, and a bucket."""

    release: Release
    bucket: Bucket
    gate: TimedGate

    @property
    def url(self) -> str:
        return self.bucket.url_at(self.gate.endpoint)

    def apply_settings(self, **spec: Any) -> None:
        """Waits until they are Ready."""
        (applied,) = self.kube.apply(resources.settings(self.namespace, spec.pop("url", self.url), **spec))
        generation = applied["metadata"]["generation"]
        self.until(
            "RecordingSettings",
            "default",
            lambda found: ready(found) and found["status"]["observedGeneration"] == generation,
        )

    def until(self, kind: str, name: str, test: Callable[[Document], object], *, timeout: float = LONG) -> Document:
        return until(self.kube, kind, name, test, namespace=self.namespace, timeout=timeout)

    def stored(self, count: int) -> None:
        eventually(lambda: len(self.bucket.keys()) == count, what=f"{count} recordings are in the bucket", within=LONG)

    def spool(self) -> Document:
        (found,) = self.kube.list(API, "RecordingSpool", namespace=self.namespace)
        return found

    def uploaders(self) -> list[tuple[str, int]]:
        """The containers of the team's uploaders, and how often each was begun again."""
        told = [recorders.uploader(pod) for pod in self.kube.list("v1", "Pod", namespace=self.namespace)]
        return [(each["containerID"], each["restartCount"]) for each in told if each is not None]
