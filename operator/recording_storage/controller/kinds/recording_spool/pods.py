"""Whether a pod is what its uploader says: the token proves the pod, and the API server knows what that has mounted."""

from typing import Any

from recording_storage.controller.cluster.kube import METADATA, Kube, claim_path, pod_path
from recording_storage.controller.cluster.refusals import found
from recording_storage.protocol.spools import SpoolInfo


class Pods:
    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def misfit(self, info: SpoolInfo) -> str:
        """Why the pod can't have the spool where it says; empty where it can. Raises verdicts."""
        path, what = pod_path(info.namespace, info.pod), f"pod {info.namespace}/{info.pod}"
        return misfit_of(await found(self._kube, path, what=what), info)

    async def claim_uid(self, namespace: str, name: str) -> str | None:
        """None: there is no such claim. Raises verdicts."""
        path, what = claim_path(namespace, name), f"PersistentVolumeClaim {namespace}/{name}"
        claim = await found(self._kube, path, what=what, accept=METADATA)
        return None if claim is None else str(claim["metadata"]["uid"])


def misfit_of(pod: Any, found: SpoolInfo) -> str:
    """The same, given the pod or None."""
    claim = found.place.claim
    if pod is None or pod["metadata"]["uid"] != found.pod_uid:
        return f"pod {found.pod}, which says that it has claim {claim}, is gone"
    for volume in pod["spec"].get("volumes") or ():
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim:
            return ""
    return f"pod {found.pod} says that it has claim {claim}, and has it not: correct its environment"
