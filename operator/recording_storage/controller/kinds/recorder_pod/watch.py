"""Watches the pods that ask for an uploader, and tells of those that have none: admission warns nobody."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from recording_storage.controller.cluster.events import Events, Involved
from recording_storage.controller.cluster.kube import Kube, KubeError, pod_path
from recording_storage.controller.core import metrics
from recording_storage.controller.core.decision import Note
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.core.watch_backoff import WatchBackoff
from recording_storage.controller.kinds.recorder_pod.decide import LABEL, WITHOUT, claims_of, judge

logger = logging.getLogger(__name__)

_LABELS = f"{LABEL}=true"
_FORBIDDEN = 403


class _Pod(NamedTuple):
    namespace: str
    name: str
    notes: frozenset[Note]
    claims: frozenset[str]
    """Where it records and nobody uploads; none while somebody does."""


class Told:
    """What was told of which pod: each reason once, as a number of pods, and at their spools while it is so."""

    def __init__(self, events: Events, *, changed: Callable[[Key], None]) -> None:
        """Take where events go, and what is called with a claim at whose spools there is something else to say."""
        self._events = events
        self._changed = changed
        self._pods: dict[str, _Pod] = {}
        """By UID."""
        self._count()

    def look(self, pod: Mapping[str, Any]) -> None:
        """It is there, new or changed."""
        metadata, notes = pod["metadata"], frozenset(judge(pod))
        before = self._pods.get(metadata["uid"])
        for note in notes - (before.notes if before else frozenset()):
            self._events.tell_of(Involved.pod(metadata), note)
        claims = claims_of(pod) if any(note.reason in WITHOUT for note in notes) else frozenset[str]()
        self._replace(metadata["uid"], _Pod(metadata["namespace"], metadata["name"], notes, claims))

    def gone(self, uid: str) -> None:
        self._replace(uid, None)

    def only(self, uids: set[str], *, namespace: str) -> None:
        """All others of the namespace (empty: of all) are gone."""
        for uid in self._pods.keys() - uids:
            if namespace in {"", self._pods[uid].namespace}:
                self.gone(uid)

    def at(self, namespace: str, claim: str) -> Note | None:
        """Of a pod that records on the claim without an uploader: why it has none. The same one as long as it is so."""
        pods = [each for each in self._pods.values() if each.namespace == namespace and claim in each.claims]
        first = min(pods, key=lambda each: each.name, default=None)
        if first is None:
            return None
        note = next(note for note in first.notes if note.reason in WITHOUT)
        return Note(reason=note.reason, message=f"pod {first.name}: {note.message}", warning=True)

    def _replace(self, uid: str, pod: _Pod | None) -> None:
        before = self._pods.pop(uid, None)
        if pod is not None:
            self._pods[uid] = pod
        self._count()
        claims = {
            Key(Kind.CLAIM, each.namespace, claim)
            for each in (before, pod)
            if each is not None
            for claim in each.claims
        }
        if claims and (before is None or pod is None or (before.notes, before.claims) != (pod.notes, pod.claims)):
            for key in claims:
                self._changed(key)

    def _count(self) -> None:
        for reason in WITHOUT:
            pods = sum(any(note.reason == reason for note in each.notes) for each in self._pods.values())
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
