"""What is the operator's own in its namespace: Secrets, ConfigMaps, by name."""

from recording_storage.controller.cluster.kube import LABELS, Document, Kube, config_map_path, find, secret_path

TRUSTED = "ca.crt"
"""The key under which a ConfigMap or Secret says whom to trust."""


class OwnObjects:
    """Raises KubeError."""

    def __init__(self, kube: Kube, *, namespace: str) -> None:
        self._kube, self.namespace = kube, namespace

    async def secret(self, name: str) -> Document | None:
        return await find(self._kube, secret_path(self.namespace, name))

    async def write_secret(self, name: str, found: Document | None, *, kind: str, data: dict[str, str]) -> None:
        """`data` in base64, `found` as it was seen: a conflict if another has written meanwhile."""
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
