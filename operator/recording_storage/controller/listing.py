"""Lists of what the API server has: the objects of our kinds whole, of what they refer to the metadata alone."""

from collections.abc import Iterable, Sequence
from typing import Any

from recording_storage.controller.deliveries import Place
from recording_storage.controller.index import MODELS
from recording_storage.controller.keys import Key, Kind
from recording_storage.controller.kube import METADATA_LIST, Document, Kube, config_map_path, resource_path, secret_path
from recording_storage.resources.common import API_VERSION


async def list_all(kube: Kube, namespaces: Sequence[str]) -> list[tuple[Kind, Document]]:
    """All objects of the four kinds, whole, in the namespaces (none: in all).

    Raises:
        KubeError: 404 when the CRDs are not installed.
    """
    found = []
    for kind in MODELS:
        for scope in namespaces or [""]:
            answer = await kube.get(collection(kind, scope))
            found += [(kind, item) for item in answer["items"]]
    return found


def collection(kind: Kind, namespace: str) -> str:
    """Path of the objects of one of the four kinds; an empty namespace: of all."""
    return resource_path(API_VERSION, MODELS[kind].names.plural, namespace=namespace, name="")


async def list_versions(kube: Kube, places: Iterable[Place]) -> dict[Key, str]:
    """Versions of the Secrets, ConfigMaps and namespaces there. Raises KubeError."""
    found: dict[Key, str] = {}
    for kind, namespace in sorted(places):
        found |= versions(kind, await kube.get(path_of(kind, namespace), accept=METADATA_LIST))
    return found


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
            return "/api/v1/namespaces"


def versions(kind: Kind, listed: Document) -> dict[Key, str]:
    """Of the objects of a list."""
    return {key_in(kind, item): item["metadata"]["resourceVersion"] for item in listed["items"] or ()}  # null: none


def key_in(kind: Kind, item: dict[str, Any]) -> Key:
    metadata = item["metadata"]
    return Key(kind, metadata.get("namespace", ""), metadata["name"])
