"""Whether a pod is what its uploader says: the token proves the pod, and the API server knows what that has mounted."""

from typing import Any

from recording_storage.controller.cluster.kube import METADATA, Kube, KubeError
from recording_storage.controller.cluster.refusals import api_trouble
from recording_storage.protocol.spools import SpoolInfo


class Pods:
    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def misfit(self, found: SpoolInfo) -> str:
        """Why the pod can't have the spool where it says; empty where it can. Raises verdicts."""
        path = f"/api/v1/namespaces/{found.namespace}/pods/{found.pod}"
        pod = await self._get(path, what=f"pod {found.namespace}/{found.pod}")
        return misfit_of(pod, found)

    async def claim_uid(self, namespace: str, name: str) -> str | None:
        """None: there is no such claim. Raises verdicts."""
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        claim = await self._get(path, what=f"PersistentVolumeClaim {namespace}/{name}", accept=METADATA)
        return None if claim is None else str(claim["metadata"]["uid"])

    async def _get(self, path: str, *, what: str, **options: Any) -> Any:
        try:
            return await self._kube.get(path, **options)
        except KubeError as error:
            if error.not_found:
                return None
            raise api_trouble(error, what) from error


def misfit_of(pod: Any, found: SpoolInfo) -> str:
    """The same, given the pod or None."""
    claim = found.place.claim
    if pod is None or pod["metadata"]["uid"] != found.pod_uid:
        return f"pod {found.pod}, which says that it has claim {claim}, is gone"
    for volume in pod["spec"].get("volumes") or ():
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim:
            return ""
    return f"pod {found.pod} says that it has claim {claim}, and has it not: correct its environment"
