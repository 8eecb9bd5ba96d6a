"""What is the operator's own in its namespace: Secrets, ConfigMaps, by name."""

import base64
from collections.abc import Mapping
from contextlib import suppress

from recording_storage.controller.cluster.kube import LABELS, Document, Kube, config_map_path, find, secret_path

TRUSTED = "ca.crt"
"""The key under which a ConfigMap or Secret says whom to trust."""


class OwnObjects:
    """Raises KubeError."""

    def __init__(self, kube: Kube, *, namespace: str) -> None:
        self._kube, self.namespace = kube, namespace

    async def secret(self, name: str) -> Document | None:
        return await find(self._kube, secret_path(self.namespace, name))

    async def write_secret(self, name: str, found: Document | None, *, kind: str, texts: Mapping[str, str]) -> None:
        """`found` as it was seen: a conflict if another has written meanwhile."""
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        document = {"apiVersion": "v1", "kind": "Secret", "type": kind, "data": data}
        await self._write(secret_path(self.namespace, name), found, document)

    async def publish(self, name: str, bundle: str) -> None:
        """Say whom to trust, by a ConfigMap."""
        path = config_map_path(self.namespace, name)
        found = await find(self._kube, path)
        if found is None or (found.get("data") or {}).get(TRUSTED) != bundle:
            await self._write(path, found, {"apiVersion": "v1", "kind": "ConfigMap", "data": {TRUSTED: bundle}})

    async def _write(self, path: str, found: Document | None, document: Document) -> None:
        collection, _, name = path.rpartition("/")
        if found is None:
            metadata = {"name": name, "namespace": self.namespace, "labels": LABELS}
            await self._kube.create(collection, document | {"metadata": metadata})
        else:
            kept = found["metadata"]
            labels = (kept.get("labels") or {}) | LABELS
            await self._kube.replace(path, document | {"metadata": kept | {"labels": labels}})


def texts_of(secret: Document | None) -> dict[str, str]:
    """What a Secret holds; none of what is no text, and none of a Secret that is not there."""
    texts: dict[str, str] = {}
    for key, value in ((secret or {}).get("data") or {}).items():
        with suppress(ValueError):
            texts[key] = base64.b64decode(value).decode()
    return texts
