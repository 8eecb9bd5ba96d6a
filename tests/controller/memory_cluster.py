"""A Kubernetes API server in memory, as far as the operator's writes go: versions, preconditions, finalizers."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_DNS, uuid4, uuid5

from recording_storage.controller.cluster.index import MODELS
from recording_storage.controller.cluster.kube import (
    JSON,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    Document,
    KubeError,
    resource_path,
)
from recording_storage.controller.core.keys import Kind
from recording_storage.resources.common import API_VERSION

_CORE = {"Secret": "secrets", "ConfigMap": "configmaps"}
_TOLD_APART_BY = {"ownerReferences": "uid"}
"""Lists that a strategic merge patch merges."""
DELETED_AT = "2026-01-01T00:00:00Z"


@dataclass
class MemoryCluster:
    """`get`, `create`, `patch` are the operator's port, as `Kube` has them; the rest is what people do."""

    wrote: Callable[[str], None] = lambda _: None
    """Called with method and path before a write of the operator's takes effect; may raise."""
    _objects: dict[str, Document] = field(default_factory=dict)
    _version: int = 0

    def apply(self, *documents: Document) -> None:
        for each in documents:
            document = copy.deepcopy(each)
            path = path_of(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"])
            before = self._objects.get(path)
            if before is None:
                self._add(path, document)
            else:
                annotations = {"annotations": document["metadata"].get("annotations", {})}
                self._put(path, {**before, **document, "metadata": before["metadata"] | annotations})

    def delete(self, kind: str, namespace: str, name: str) -> None:
        path = path_of(kind, namespace, name)
        metadata = self._objects[path]["metadata"]
        if "deletionTimestamp" not in metadata:
            self._change(
                path, {"metadata": {"deletionTimestamp": DELETED_AT, "generation": metadata["generation"] + 1}}
            )

    def find(self, kind: str, namespace: str, name: str) -> Document | None:
        return copy.deepcopy(self._objects.get(path_of(kind, namespace, name)))

    def items(self, kind: Kind) -> list[Document]:
        """All that there are, as a list has them."""
        mark = f"/{MODELS[kind].names.plural}/"
        return [copy.deepcopy(item) for path, item in sorted(self._objects.items()) if mark in path]

    def snapshot(self) -> tuple[dict[str, Document], int]:
        return copy.deepcopy(self._objects), self._version

    def restore(self, snapshot: tuple[dict[str, Document], int]) -> None:
        self._objects, self._version = copy.deepcopy(snapshot[0]), snapshot[1]

    def restore_elsewhere(self, *, status: bool) -> None:
        """As a backup of the objects brings them back, with or without their status: under new UIDs."""
        for path, each in self._objects.items():
            self._add(path, each if status else {name: value for name, value in each.items() if name != "status"})

    async def get(self, path: str, *, accept: str = JSON, timeout: float = 0.0) -> Document:  # noqa: ASYNC109 - Kube's
        del accept, timeout
        plain = path.partition("?")[0]
        if plain.startswith("/api/v1/namespaces/") and plain.count("/") == 4:
            name = plain.rsplit("/", 1)[-1]
            return {"metadata": {"name": name, "uid": str(uuid5(NAMESPACE_DNS, name))}}
        if plain not in self._objects:
            raise KubeError(404, "NotFound", f"{plain} not found")
        return copy.deepcopy(self._objects[plain])

    async def create(self, path: str, body: Document) -> Document:
        self.wrote(f"POST {path}")
        place = f"{path}/{body['metadata']['name']}"
        if place in self._objects:
            raise KubeError(409, "AlreadyExists", f"{place} already exists")
        self._add(place, copy.deepcopy(body))
        return copy.deepcopy(self._objects[place])

    async def patch(self, path: str, body: Document, *, content_type: str = MERGE_PATCH) -> Document:
        self.wrote(f"PATCH {path}")
        place = path.removesuffix("/status")
        strategic = content_type == STRATEGIC_MERGE_PATCH
        if strategic and not place.startswith("/api/v1/"):
            raise KubeError(415, "UnsupportedMediaType", f"{content_type} is for the API server's own kinds only")
        found = self._objects.get(place)
        if found is None:
            raise KubeError(404, "NotFound", f"{place} not found")
        wanted, status = body.get("metadata", {}), path.endswith("/status")
        conditions = ("resourceVersion",) if status else ("uid", "resourceVersion")
        if any(wanted.get(name, found["metadata"][name]) != found["metadata"][name] for name in conditions):
            raise KubeError(409, "Conflict", f"{place} is another one by now")
        taken = {name: value for name, value in body.items() if (name == "status") == status and name != "metadata"}
        metadata = (
            {} if status else {name: value for name, value in wanted.items() if name not in {"uid", "resourceVersion"}}
        )
        return self._change(place, {**taken, "metadata": metadata}, told_apart_by=_TOLD_APART_BY if strategic else {})

    def _add(self, path: str, document: Document) -> None:
        given = {"uid": str(uuid4()), "generation": 1, "creationTimestamp": DELETED_AT}
        document["metadata"] = document["metadata"] | given | {"resourceVersion": self._next()}
        self._objects[path] = document

    def _change(
        self, path: str, patch: Document, *, told_apart_by: Mapping[str, str] = MappingProxyType({})
    ) -> Document:
        return self._put(path, _merged(self._objects[path], patch, told_apart_by=told_apart_by))

    def _put(self, path: str, after: Document) -> Document:
        before = self._objects[path]
        if after == before:
            return copy.deepcopy(before)
        changed = int(after.get("spec") != before.get("spec"))
        given = {"resourceVersion": self._next(), "generation": after["metadata"]["generation"] + changed}
        metadata = after["metadata"] = after["metadata"] | given
        self._objects[path] = after
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            del self._objects[path]
        return copy.deepcopy(after)

    def _next(self) -> str:
        self._version += 1
        return str(self._version)


def path_of(kind: str, namespace: str, name: str) -> str:
    if kind in _CORE:
        return f"/api/v1/namespaces/{namespace}/{_CORE[kind]}/{name}"
    return resource_path(API_VERSION, MODELS[Kind(kind)].names.plural, namespace=namespace, name=name)


def _merged(before: Any, patch: Any, *, told_apart_by: Mapping[str, str]) -> Any:
    """As a merge patch says: null removes, objects are merged, all else is replaced, but for the lists named."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    kept = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        elif name in told_apart_by:
            kept[name] = _merged_list(kept.get(name, ()), value, key=told_apart_by[name])
        else:
            kept[name] = _merged(kept.get(name), value, told_apart_by=told_apart_by)
    return kept


def _merged_list(before: Sequence[Document], patch: Sequence[Document], *, key: str) -> list[Document]:
    kept = {each[key]: each for each in before}
    for each in patch:
        if each.get("$patch") == "delete":
            kept.pop(each[key], None)
        else:
            kept[each[key]] = kept.get(each[key], {}) | each
    return list(kept.values())
