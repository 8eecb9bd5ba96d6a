"""Kubernetes events: few, and the same one is counted instead of repeated."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from recording_storage.controller.cluster.kube import Document, Kube, KubeError, event_path
from recording_storage.controller.core.decision import Note
from recording_storage.domain.conditions import shorten
from recording_storage.resources import RecordingSpool, Resource
from recording_storage.resources.common import API_VERSION

logger = logging.getLogger(__name__)

COMPONENT = "recording-storage-operator"
_MAX_MESSAGE = 1024
_QUEUED = 1000
_AGAIN = timedelta(minutes=10)
"""Until the same of a spool is told again: it holds counts and pods, so that its words are always new."""


@dataclass(frozen=True, kw_only=True)
class Involved:
    """The object that an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str

    @classmethod
    def resource(cls, resource: Resource) -> Self:
        """One of ours."""
        meta = resource.metadata
        return cls(
            api_version=API_VERSION,
            kind=resource.kind,
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )

    @classmethod
    def pod(cls, metadata: Mapping[str, str]) -> Self:
        """By the `metadata` of it."""
        return cls(
            api_version="v1",
            kind="Pod",
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
        )


class Events:
    """Posted in the background: no reconcile waits for them, and too many are dropped rather than kept."""

    def __init__(self, kube: Kube, *, now: Callable[[], datetime]) -> None:
        self._kube = kube
        self._now = now
        self._queue: asyncio.Queue[tuple[Involved, Note]] = asyncio.Queue(_QUEUED)
        self._spools: dict[tuple[str, str], datetime] = {}
        """When which reason was told of which spool, by UID."""

    def tell(self, resource: Resource, note: Note) -> None:
        self.tell_of(Involved.resource(resource), note)

    def tell_of(self, involved: Involved, note: Note) -> None:
        note = replace(note, message=shorten(note.message)[:_MAX_MESSAGE])  # it may repeat others' words
        log = logger.warning if note.warning else logger.info
        log("%s %s/%s: %s: %s", involved.kind, involved.namespace, involved.name, note.reason, note.message)
        if involved.kind == RecordingSpool.__name__ and not self._is_due(involved.uid, note.reason):
            return
        try:
            self._queue.put_nowait((involved, note))
        except asyncio.QueueFull:
            logger.debug("an event is dropped, %d are queued", _QUEUED)

    def _is_due(self, uid: str, reason: str) -> bool:
        moment = self._now()
        self._spools = {key: told for key, told in self._spools.items() if moment - told < _AGAIN}
        if (uid, reason) in self._spools:
            return False
        self._spools[uid, reason] = moment
        return True

    async def run(self) -> None:
        while True:
            involved, note = await self._queue.get()
            try:
                await self._post(involved, note)
            except KubeError as error:
                level = logging.DEBUG if error.status in {403, 404} else logging.WARNING
                logger.log(level, "posting event %s: %s", note.reason, error)

    async def _post(self, involved: Involved, note: Note) -> None:
        stamp = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kind = "Warning" if note.warning else "Normal"
        identity = hashlib.sha256(f"{involved.uid}\0{kind}\0{note.reason}".encode()).hexdigest()[:16]
        name = f"{involved.name[:230].rstrip('-.')}.{identity}"
        document: Document = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": involved.namespace},
            "involvedObject": {
                "apiVersion": involved.api_version,
                "kind": involved.kind,
                "namespace": involved.namespace,
                "name": involved.name,
                "uid": involved.uid,
                "resourceVersion": involved.resource_version,
            },
            "type": kind,
            "reason": note.reason,
            "message": note.message,
            "count": 1,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "source": {"component": COMPONENT},
        }
        try:
            await self._kube.create(event_path(involved.namespace), document)
        except KubeError as error:
            if not error.conflict:
                raise
            path = event_path(involved.namespace, name)
            before = await self._kube.get(path)
            patch = {"count": int(before.get("count", 1)) + 1, "lastTimestamp": stamp, "message": note.message}
            await self._kube.patch(path, patch)
