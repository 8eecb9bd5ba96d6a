"""Watches the pods that ask for an uploader, and tells of those that have none: admission warns nobody."""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from recording_storage.controller.cluster.events import Events, Involved
from recording_storage.controller.cluster.kube import Kube, KubeError, pod_path
from recording_storage.controller.core import metrics
from recording_storage.controller.core.watch_backoff import WatchBackoff
from recording_storage.controller.kinds.recorder_pod.decide import LABEL, WITHOUT, judge

logger = logging.getLogger(__name__)

_LABELS = f"{LABEL}=true"
_FORBIDDEN = 403


class Told:
    """What was told of which pod: each reason once, and as a number of pods while it is so."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._pods: dict[str, tuple[str, frozenset[tuple[str, str]]]] = {}
        """By UID: its namespace, and reason and message of what was told."""
        self._count()

    def look(self, pod: Mapping[str, Any]) -> None:
        """It is there, new or changed."""
        metadata, notes = pod["metadata"], judge(pod)
        _, before = self._pods.get(metadata["uid"], ("", frozenset()))
        for note in notes:
            if (note.reason, note.message) not in before:
                self._events.tell_of(Involved.pod(metadata), note)
        told = frozenset((note.reason, note.message) for note in notes)
        self._pods[metadata["uid"]] = (metadata["namespace"], told)
        self._count()

    def gone(self, uid: str) -> None:
        self._pods.pop(uid, None)
        self._count()

    def only(self, uids: set[str], *, namespace: str) -> None:
        """All others of the namespace (empty: of all) are gone."""
        for uid in self._pods.keys() - uids:
            if namespace in {"", self._pods[uid][0]}:
                self.gone(uid)

    def _count(self) -> None:
        for reason in WITHOUT:
            pods = sum(any(told == reason for told, _ in notes) for _, notes in self._pods.values())
            metrics.PODS_WITHOUT_UPLOADER.labels(reason=reason.value).set(pods)


class RecorderPods:
    """The pods of one namespace, or (empty) of all."""

    def __init__(self, kube: Kube, *, namespace: str, told: Told) -> None:
        self._kube = kube
        self._namespace = namespace
        self._told = told
        self._pauses = WatchBackoff()

    async def run(self) -> None:
        """Never returns: a pod without an uploader is told of, and nothing else depends on it."""
        while True:
            await asyncio.sleep(self._pauses.next() * random.uniform(1.0, 1.2))  # noqa: S311 - no secret
            try:
                await self._follow()
            except KubeError as error:
                level = logging.DEBUG if error.expired else logging.WARNING
                remedy = (
                    "; give the operator the rights of docs/examples/rbac.yaml" if error.status == _FORBIDDEN else ""
                )
                logger.log(level, "watching pods that ask for an uploader: %s; trying again by itself%s", error, remedy)

    async def _follow(self) -> None:
        path = pod_path(self._namespace)
        answer = await self._kube.get(f"{path}?{urlencode({'labelSelector': _LABELS})}")
        pods = answer["items"] or ()
        self._told.only({each["metadata"]["uid"] for each in pods}, namespace=self._namespace)
        for pod in pods:
            self._told.look(pod)
        version = answer["metadata"]["resourceVersion"]
        async for event in self._kube.watch(path, version=version, labels=_LABELS):
            self._pauses.event()
            match event["type"]:
                case "DELETED":
                    self._told.gone(event["object"]["metadata"]["uid"])
                case "ADDED" | "MODIFIED":
                    self._told.look(event["object"])
