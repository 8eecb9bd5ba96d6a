"""Kubernetes events: few, and the same one is counted instead of repeated."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from recording_storage.controller.cluster.kube import Document, Kube, KubeError, event_path
from recording_storage.controller.core.decision import Note
from recording_storage.domain.conditions import shorten
from recording_storage.resources import Resource
from recording_storage.resources.common import API_VERSION

logger = logging.getLogger(__name__)

COMPONENT = "recording-storage-operator"
_MAX_MESSAGE = 1024
_QUEUED = 1000


class Events:
    """Posted in the background: no reconcile waits for them, and too many are dropped rather than kept."""

    def __init__(self, kube: Kube, *, now: Callable[[], datetime]) -> None:
        self._kube = kube
        self._now = now
        self._queue: asyncio.Queue[tuple[Resource, Note]] = asyncio.Queue(_QUEUED)

    def tell(self, resource: Resource, note: Note) -> None:
        log = logger.warning if note.warning else logger.info
        log(
            "%s %s/%s: %s: %s",
            resource.kind,
            resource.metadata.namespace,
            resource.metadata.name,
            note.reason,
            note.message,
        )
        try:
            self._queue.put_nowait((resource, note))
        except asyncio.QueueFull:
            logger.debug("an event is dropped, %d are queued", _QUEUED)

    async def run(self) -> None:
        while True:
            resource, note = await self._queue.get()
            try:
                await self._post(resource, note)
            except KubeError as error:
                level = logging.DEBUG if error.status in {403, 404} else logging.WARNING
                logger.log(level, "posting event %s: %s", note.reason, error)

    async def _post(self, resource: Resource, note: Note) -> None:
        meta = resource.metadata
        stamp = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kind = "Warning" if note.warning else "Normal"
        identity = hashlib.sha256(f"{meta.uid}\0{kind}\0{note.reason}".encode()).hexdigest()[:16]
        name = f"{meta.name[:230].rstrip('-.')}.{identity}"
        message = shorten(note.message)[:_MAX_MESSAGE]
        document: Document = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": meta.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": resource.kind,
                "namespace": meta.namespace,
                "name": meta.name,
                "uid": meta.uid,
                "resourceVersion": meta.resource_version,
            },
            "type": kind,
            "reason": note.reason,
            "message": message,
            "count": 1,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "source": {"component": COMPONENT},
        }
        try:
            await self._kube.create(event_path(meta.namespace), document)
        except KubeError as error:
            if not error.conflict:
                raise
            path = event_path(meta.namespace, name)
            before = await self._kube.get(path)
            patch = {"count": int(before.get("count", 1)) + 1, "lastTimestamp": stamp, "message": message}
            await self._kube.patch(path, patch)
