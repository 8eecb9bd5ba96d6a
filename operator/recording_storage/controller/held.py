"""What would hang in its deletion without an operator: the objects that hold its finalizer."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from recording_storage.controller.cluster.identity import ClusterNotConfigured, Identity
from recording_storage.controller.cluster.index import MODELS
from recording_storage.controller.cluster.kube import METADATA_LIST, Kube, KubeError, resource_path
from recording_storage.controller.reconcile import FINALIZER
from recording_storage.resources import API_VERSION, Resource


class HeldError(Exception):
    """The cluster can't be asked, or refuses; one line."""


@dataclass(frozen=True)
class Held:
    """One object as it was seen."""

    kind: type[Resource]
    namespace: str
    name: str
    finalizers: tuple[str, ...]
    version: str

    def __str__(self) -> str:
        return f"{self.kind.__name__} {self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        return _path(self.kind, self.namespace, self.name)


async def find_held(kubeconfig: Path | None, *, namespaces: Sequence[str]) -> list[Held]:
    """All of them in these namespaces, or, if there are none, in all. Raises HeldError."""
    async with _cluster(kubeconfig) as kube:
        return [
            each for kind in MODELS.values() for where in namespaces or ("",) for each in await _of(kube, kind, where)
        ]


async def let_go(kubeconfig: Path | None, held: Sequence[Held]) -> None:
    """Take the finalizer from each; nothing is cleaned up at the store. Raises HeldError."""
    async with _cluster(kubeconfig) as kube:
        for each in held:
            rest = [finalizer for finalizer in each.finalizers if finalizer != FINALIZER]
            try:
                await kube.patch(each.path, {"metadata": {"resourceVersion": each.version, "finalizers": rest}})
            except KubeError as error:
                if not error.not_found:
                    raise


@asynccontextmanager
async def _cluster(kubeconfig: Path | None) -> AsyncIterator[Kube]:
    try:
        async with Kube(await Identity.of(kubeconfig)) as kube:
            yield kube
    except (ClusterNotConfigured, KubeError) as error:
        raise HeldError(str(error)) from error


async def _of(kube: Kube, kind: type[Resource], namespace: str) -> list[Held]:
    try:
        answer = await kube.get(_path(kind, namespace), accept=METADATA_LIST)
    except KubeError as error:
        if error.not_found:  # the definition is gone, and all that was of it
            return []
        raise
    found = [item["metadata"] for item in answer["items"] or ()]
    return [
        Held(kind, each["namespace"], each["name"], tuple(each["finalizers"]), each["resourceVersion"])
        for each in found
        if FINALIZER in each.get("finalizers", ())
    ]


def _path(kind: type[Resource], namespace: str, name: str = "") -> str:
    return resource_path(API_VERSION, kind.names.plural, namespace=namespace, name=name)
