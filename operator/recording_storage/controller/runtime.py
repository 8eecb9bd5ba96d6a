"""The operator at work: watches fill the index and the queue, workers empty it."""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio.client import Configuration
from pydantic import ValidationError

from recording_storage.controller import metrics
from recording_storage.controller.accounts import Accounts
from recording_storage.controller.effects.account import AccountKind
from recording_storage.controller.effects.aws_credential import CredentialKind
from recording_storage.controller.effects.public_key import PublicKeyKind
from recording_storage.controller.effects.recording_settings import SettingsKind
from recording_storage.controller.events import Events
from recording_storage.controller.handlers import KopfWatches
from recording_storage.controller.hash_key import HashKey
from recording_storage.controller.index import MODELS, Change, Index, account_key, key_of
from recording_storage.controller.keys import ANY_NAMESPACE, Key, Kind
from recording_storage.controller.kube import Document, Kube, KubeError
from recording_storage.controller.metadata_watch import watch
from recording_storage.controller.reconcile import AnyKind, Reconciler
from recording_storage.controller.verdicts import Transient, pause
from recording_storage.controller.work_queue import WorkQueue
from recording_storage.domain.conditions import Truth
from recording_storage.resources import Resource
from recording_storage.resources.common import API_VERSION

logger = logging.getLogger(__name__)

WORKERS = 8
_COMPARE = 60.0
"""Seconds between comparisons of the index with the API server."""
_LATE = 20.0
"""Seconds by which a watch may be late before it is taken for dead."""


class WatchesEnded(Exception):  # noqa: N818 - names what happened
    """The watches have ended without being asked to."""


class Operator:
    """One active replica; `run` works until it is cancelled."""

    def __init__(
        self,
        *,
        kube: Kube,
        configuration: Configuration,
        namespaces: Sequence[str],
        index: Index,
        accounts: Accounts,
        hash_key: HashKey,
    ) -> None:
        self._kube = kube
        self._configuration = configuration
        self._namespaces = tuple(namespaces)
        self._index = index
        self._queue: WorkQueue[Key] = WorkQueue()
        self._failures: defaultdict[Key, int] = defaultdict(int)
        self._events = Events(kube, now=now)
        self._ready_of: dict[Key, str] = {}
        self._late: set[Kind] = set()
        clusterwide = not self._namespaces
        kinds: Mapping[Kind, AnyKind] = {
            Kind.ACCOUNT: AccountKind(kube=kube, index=index, accounts=accounts, clusterwide=clusterwide),
            Kind.CREDENTIAL: CredentialKind(kube=kube, index=index, accounts=accounts, hash_key=hash_key, now=now),
            Kind.PUBLIC_KEY: PublicKeyKind(kube=kube, index=index, accounts=accounts, hash_key=hash_key),
            Kind.SETTINGS: SettingsKind(kube=kube, index=index, accounts=accounts),
        }
        self._reconciler = Reconciler(
            kube=kube, index=index, kinds=kinds, events=self._events, written=self._written, now=now
        )

    async def run(self, *, ready: Callable[[], None]) -> None:
        """Works until it is cancelled; `ready` is called once everything is watched.

        Raises:
            KubeError: the first lists failed.
            WatchesEnded: kopf gave up.
        """
        for kind, item in await list_all(self._kube, self._namespaces):
            self.told(kind, None, item)
        watches = KopfWatches(self._configuration, namespaces=self._namespaces, sink=self._delivered)
        watches.start()
        tasks: list[Coroutine[Any, Any, None]] = [self._work() for _ in range(WORKERS)]
        tasks += [self._events.run(), self._compare_forever(), self._measure(), _raise_at_end(watches)]
        for prefix, name in self._scopes():
            tasks.append(watch(self._kube, f"/api/v1{prefix}/secrets", kind=Kind.SECRET, changed=self._ref_changed))
            tasks.append(
                watch(self._kube, f"/api/v1{prefix}/configmaps", kind=Kind.CONFIG_MAP, changed=self._ref_changed)
            )
            if not name:
                tasks.append(
                    watch(self._kube, "/api/v1/namespaces", kind=Kind.NAMESPACE, changed=self._namespace_changed)
                )
        try:
            async with asyncio.TaskGroup() as group:
                for task in tasks:
                    group.create_task(task)
                ready()
        except* WatchesEnded as errors:
            raise errors.exceptions[0] from None
        finally:
            await watches.stop()

    @property
    def watches_late(self) -> list[str]:
        """Kinds of which a change has not arrived, and nothing since: liveness says so."""
        return sorted(self._late)

    def _delivered(self, kind: Kind, type_: str | None, item: Document) -> None:
        self._late.discard(kind)
        self.told(kind, type_, item)

    def told(self, kind: Kind, type_: str | None, item: Document) -> None:
        """Take what a watch has delivered."""
        try:
            resource = MODELS[kind].parse(item)
        except ValidationError as error:
            name = item.get("metadata", {}).get("name", "?")
            logger.error(  # noqa: TRY400 - the traceback could hold what was written in the object
                "%s %s does not fit the CRD this operator knows: %s", kind, name, error.errors(include_input=False)
            )
            return
        if type_ == "DELETED":
            change = self._index.remove(resource)
            self._queue.forget(key_of(resource))
            self._count(resource, gone=True)
        else:
            change = self._index.put(resource)
            self._count(resource)
            if change.itself:
                self._queue.add(key_of(resource))
        self._fan_out(resource, change)

    def _written(self, resource: Resource, change: Change) -> None:
        self._count(resource)
        if change.itself:  # somebody has changed the spec since we read it
            self._queue.add(key_of(resource))
        self._fan_out(resource, change)

    def _fan_out(self, resource: Resource, change: Change) -> None:
        if not change.anything:
            return
        for key in self._index.referrers(key_of(resource)):
            self._queue.add(key)
        for ref in change.refs:
            found = self._index.get(ref)
            if found is None:
                continue
            if ref.kind is not Kind.ACCOUNT or found.metadata.deletion_timestamp is not None:
                self._queue.add(ref)
        if resource.kind == Kind.SETTINGS and change.itself:
            self._wake_rivals(resource)

    def _wake_rivals(self, settings: Resource) -> None:
        for other in self._index.resources(self._index.referrers(account_key(settings))):
            ready = other.status.condition("Ready")
            if other.kind == Kind.SETTINGS and ready is not None and ready.status != Truth.TRUE:
                self._queue.add(key_of(other))

    def _ref_changed(self, key: Key) -> None:
        for referrer in self._index.referrers(key):
            self._queue.add(referrer)

    def _namespace_changed(self, key: Key) -> None:
        del key
        for referrer in self._index.referrers(ANY_NAMESPACE):
            self._queue.add(referrer, after=0.2)  # the first list tells of many at once

    def _scopes(self) -> list[tuple[str, str]]:
        return [(f"/namespaces/{name}", name) for name in self._namespaces] or [("", "")]

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._look(key)
            finally:
                self._queue.done(key)

    async def _look(self, key: Key) -> None:
        try:
            outcome = await self._reconciler.reconcile(key, failures=self._failures[key])
        except KubeError as error:
            self._failures[key] += 1
            resource = self._index.get(key)
            if error.not_found and resource is not None:
                self._fan_out(resource, self._index.remove(resource))
                return
            log = logger.debug if error.conflict else logger.warning
            log("%s: %s; tried again by itself", key, error)
            self._again(key, pause(Transient("", ""), failures=self._failures[key], interval=60.0))
            return
        except Exception:
            # A defect of ours must not end the care for all other objects; it is loud, counted and tried again.
            self._failures[key] += 1
            metrics.RECONCILES.labels(kind=key.kind, outcome="defect").inc()
            logger.exception("%s: a defect of the operator; tried again by itself", key)
            self._again(key, pause(Transient("", ""), failures=self._failures[key] + 3, interval=300.0))
            return
        if outcome.verdict is None:
            self._failures.pop(key, None)
        else:
            self._failures[key] += 1
        if outcome.after is not None:
            self._again(key, outcome.after)

    def _again(self, key: Key, after: float) -> None:
        self._queue.add(key, after=after * random.uniform(0.9, 1.1))  # noqa: S311 - no secret

    async def _compare_forever(self) -> None:
        """A watch that has silently died is found by comparing; what it missed is made up for, and liveness told."""
        suspicious: dict[Key, str] = {}
        while True:
            await asyncio.sleep(_LATE if suspicious else _COMPARE)
            try:
                listed = await list_all(self._kube, self._namespaces)
            except KubeError as error:
                logger.warning("comparing with the API server: %s", error)
                continue
            suspicious = self._compare(listed, suspicious)

    def _compare(self, listed: list[tuple[Kind, Document]], before: dict[Key, str]) -> dict[Key, str]:
        late, there = {}, set()
        for kind, item in listed:
            meta = item["metadata"]
            key = Key(kind, meta["namespace"], meta["name"])
            there.add(key)
            known = self._index.get(key)
            if known is None or known.metadata.resource_version != meta["resourceVersion"]:
                late[key] = meta["resourceVersion"]
                if before.get(key) == meta["resourceVersion"]:
                    logger.error("%s: a change did not come through the watch", key)
                    self._late.add(kind)
                    self.told(kind, "MODIFIED", item)
        for key in self._index.keys():  # noqa: SIM118 - no mapping
            gone = self._index.get(key) if key not in there else None
            if gone is not None:
                late[key] = "gone"
                if before.get(key) == "gone":  # deleted while a watch was broken: nobody tells of that
                    self._fan_out(gone, self._index.remove(gone))
                    self._queue.forget(key)
                    self._count(gone, gone=True)
        return late

    async def _measure(self) -> None:
        while True:
            metrics.QUEUE.set(len(self._queue))
            await asyncio.sleep(1.0)

    def _count(self, resource: Resource, *, gone: bool = False) -> None:
        key = key_of(resource)
        before = self._ready_of.pop(key, None)
        if before is not None:
            metrics.OBJECTS.labels(kind=key.kind, ready=before).dec()
        if not gone:
            condition = resource.status.condition("Ready")
            ready = condition.status.value if condition else "Unknown"
            self._ready_of[key] = ready
            metrics.OBJECTS.labels(kind=key.kind, ready=ready).inc()


def now() -> datetime:
    """To the second, as the API server writes times."""
    return datetime.now(UTC).replace(microsecond=0)


clock = time.monotonic


async def list_all(kube: Kube, namespaces: Sequence[str]) -> list[tuple[Kind, Document]]:
    """All objects of the four kinds, whole, in the namespaces (none: in all).

    Raises:
        KubeError: 404 when the CRDs are not installed.
    """
    found = []
    for kind, model in MODELS.items():
        for scope in namespaces or [""]:
            prefix = f"/namespaces/{scope}" if scope else ""
            answer = await kube.get(f"/apis/{API_VERSION}{prefix}/{model.names.plural}")
            found += [(kind, item) for item in answer["items"]]
    return found


async def _raise_at_end(watches: KopfWatches) -> None:
    await watches.ended.wait()
    raise WatchesEnded("the watches have ended")
