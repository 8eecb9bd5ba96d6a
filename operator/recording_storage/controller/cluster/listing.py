"""Lists of what the API server has: the objects of our kinds whole, of what they refer to the metadata alone."""

from collections.abc import Iterable, Sequence
from typing import Any

from recording_storage.controller.cluster import rollback
from recording_storage.controller.cluster.index import MODELS, Index, read_object
from recording_storage.controller.cluster.kube import (
    JSON,
    METADATA_LIST,
    Document,
    Kube,
    config_map_path,
    namespace_path,
    resource_path,
    secret_path,
)
from recording_storage.controller.cluster.resource_versions import Place, ResourceVersions
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.resources.common import API_VERSION


class Lists:
    """Gives no list that doesn't follow on what is known already: each may raise `RolledBack`, or KubeError."""

    def __init__(
        self, kube: Kube, *, namespaces: Sequence[str], resource_versions: ResourceVersions, index: Index
    ) -> None:
        """Take the API server, where our kinds are looked for (in no namespaces: in all), and what is known."""
        self._kube = kube
        self._namespaces = namespaces
        self._resource_versions = resource_versions
        self._index = index

    async def objects(self) -> dict[Key, Document]:
        """All objects of our kinds, whole. The KubeError is a 404 when the CRDs are not installed."""
        found: dict[Key, Document] = {}
        for kind in MODELS:
            for namespace in self._namespaces or [""]:
                items, _ = await self._list((kind, namespace), collection(kind, namespace), accept=JSON)
                found |= items
        for key, item in found.items():
            known = self._index.get(key)
            if known is not None and known.metadata.resource_version == item["metadata"]["resourceVersion"]:
                rollback.check_same(known, read_object(key.kind, item))
        return found

    async def versions(self, places: Iterable[Place]) -> dict[Key, str]:
        """Versions of the Secrets, ConfigMaps and namespaces there."""
        found: dict[Key, str] = {}
        for place in sorted(places):
            versions, _ = await self.metadata(place)
            found |= versions
        return found

    async def metadata(self, place: Place) -> tuple[dict[Key, str], str]:
        """Versions of the Secrets, ConfigMaps or namespaces there, and the list's own, to watch from."""
        items, version = await self._list(place, path_of(*place), accept=METADATA_LIST)
        return _versions(items), version

    async def _list(self, place: Place, path: str, *, accept: str) -> tuple[dict[Key, Document], str]:
        """The objects, and the list's own version."""
        reached = self._resource_versions.reached(place[0])
        answer = await self._kube.get(path, accept=accept)
        items = {key_in(place[0], item): item for item in answer["items"] or ()}  # null: none
        version: str = answer["metadata"]["resourceVersion"]
        self._resource_versions.follow(place, _versions(items), version=version, reached=reached)
        return items, version


def collection(kind: Kind, namespace: str) -> str:
    """Path of the objects of one of our kinds; an empty namespace: of all."""
    return resource_path(API_VERSION, MODELS[kind].names.plural, namespace=namespace, name="")


def path_of(kind: Kind, namespace: str) -> str:
    """The collection's path.

    Args:
        kind: Secret, ConfigMap or Namespace.
        namespace: empty: of all.
    """
    match kind:
        case Kind.SECRET:
            return secret_path(namespace)
        case Kind.CONFIG_MAP:
            return config_map_path(namespace)
        case _:
            return namespace_path()


def _versions(items: dict[Key, Document]) -> dict[Key, str]:
    return {key: item["metadata"]["resourceVersion"] for key, item in items.items()}


def key_in(kind: Kind, item: dict[str, Any]) -> Key:
    metadata = item["metadata"]
    return Key(kind, metadata.get("namespace", ""), metadata["name"])
