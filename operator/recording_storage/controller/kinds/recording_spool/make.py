"""Makes the RecordingSpool of a pod's claim, where nobody has declared one."""

import hashlib
import logging
from collections.abc import Awaitable, Callable

from recording_storage.controller.cluster.index import MODELS, Index
from recording_storage.controller.cluster.kube import Document, Kube, KubeError, resource_path
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.kinds.recording_spool.observed import (
    MADE_FOR_POD,
    MADE_LABEL,
    account_asked_for,
    folder,
)
from recording_storage.controller.kinds.recording_spool.pods import Pods
from recording_storage.protocol.spools import SpoolInfo
from recording_storage.resources.common import API_VERSION

logger = logging.getLogger(__name__)

_DEFAULT = "default"
"""The RecordingAccount that is meant where none is named, unless the namespace has one other."""
_MAX_NAME = 244


class Maker:
    def __init__(self, *, kube: Kube, index: Index, pods: Pods, fence: Callable[[], Awaitable[None]]) -> None:
        self._kube = kube
        self._index = index
        self._pods = pods
        self._fence = fence

    async def make(self, found: SpoolInfo) -> None:
        """Make it, if the pod is what its uploader says. Raises verdicts and KubeError."""
        if misfit := await self._pods.misfit(found):
            logger.warning("no RecordingSpool is made in namespace %s: %s", found.namespace, misfit)
            return
        uid = await self._pods.claim_uid(found.namespace, found.place.claim)
        if uid is None:
            return
        await self._fence()
        plural = MODELS[Kind.SPOOL].names.plural
        path = resource_path(API_VERSION, plural, namespace=found.namespace, name="")
        try:
            await self._kube.create(path, document(found, claim_uid=uid, account=self._account(found)))
        except KubeError as error:
            if not error.conflict:  # made before, and the watch has not told of it yet
                raise

    def _account(self, found: SpoolInfo) -> tuple[str, str]:
        """Namespace and name."""
        here = found.namespace
        if asked := found.place.account:
            key = account_asked_for(asked, namespace=here)
            return key.namespace, key.name
        own = self._index.names(Kind.ACCOUNT, here)
        return here, own[0] if len(own) == 1 else _DEFAULT


def document(found: SpoolInfo, *, claim_uid: str, account: tuple[str, str]) -> Document:
    """The RecordingSpool: goes with its claim, by Kubernetes' own garbage collection."""
    namespace, name = account
    claim, sub_path = found.place.claim, folder(found.place.sub_path)
    reference = {"name": name} if namespace == found.namespace else {"name": name, "namespace": namespace}
    return {
        "apiVersion": API_VERSION,
        "kind": str(Kind.SPOOL),
        "metadata": {
            "name": name_for(claim, sub_path),
            "namespace": found.namespace,
            "labels": {MADE_LABEL: MADE_FOR_POD},
            "ownerReferences": [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim, "uid": claim_uid}],
        },
        "spec": {
            "volume": {"claimName": claim, **({"subPath": sub_path} if sub_path else {})},
            "accountRef": reference,
        },
    }


def name_for(claim: str, sub_path: str) -> str:
    """The same each time for the same folder."""
    digest = hashlib.sha256(f"{claim}\0{sub_path}".encode()).hexdigest()[:8]
    return f"{claim[:_MAX_NAME].rstrip('-.')}-{digest}"
