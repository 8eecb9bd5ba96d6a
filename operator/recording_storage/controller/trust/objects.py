"""What is the operator's own in its namespace: Secrets, ConfigMaps, by name."""

from recording_storage.controller.cluster.kube import Document, Kube, KubeError, config_map_path, secret_path

LABELS = {"app.kubernetes.io/managed-by": "recording-storage"}
TRUSTED = "ca.crt"
"""The key under which a ConfigMap or Secret says whom to trust."""


class OwnObjects:
    """Raises KubeError."""

    def __init__(self, kube: Kube, *, namespace: str) -> None:
        self._kube, self.namespace = kube, namespace

    async def secret(self, name: str) -> Document | None:
        return await self.find(secret_path(self.namespace, name))

    async def find(self, path: str) -> Document | None:
        try:
            return await self._kube.get(path)
        except KubeError as error:
            if error.not_found:
                return None
            raise

    async def write_secret(self, name: str, found: Document | None, *, kind: str, data: dict[str, str]) -> None:
        """`data` in base64, `found` as it was seen: a conflict if another has written meanwhile."""
        document = {"apiVersion": "v1", "kind": "Secret", "type": kind, "data": data}
        await self._write(secret_path(self.namespace, name), found, document)

    async def publish(self, name: str, bundle: str) -> None:
        """Say whom to trust, by a ConfigMap."""
        path = config_map_path(self.namespace, name)
        found = await self.find(path)
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
