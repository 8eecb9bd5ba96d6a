"""The operator at work: watches fill the index and the queue, workers empty it."""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recording_storage.controller.cluster.events import Events
from recording_storage.controller.cluster.handlers import KopfWatches
from recording_storage.controller.cluster.hash_key import HashKey
from recording_storage.controller.cluster.index import MODELS, Change, Index, account_key, key_of, read_object
from recording_storage.controller.cluster.kube import Document, Kube, KubeError
from recording_storage.controller.cluster.listing import Lists, key_in
from recording_storage.controller.cluster.metadata_watch import MetadataWatch
from recording_storage.controller.cluster.resource_versions import Place, ResourceVersions
from recording_storage.controller.cluster.rollback import RolledBack
from recording_storage.controller.core import metrics
from recording_storage.controller.core.keys import ANY_NAMESPACE, Key, Kind
from recording_storage.controller.core.verdicts import Streak, Transient, jitter, pause
from recording_storage.controller.core.watch_backoff import WatchBackoff
from recording_storage.controller.core.work_queue import WorkQueue
from recording_storage.controller.kinds.account.act import AccountKind
from recording_storage.controller.kinds.accounts import Accounts
from recording_storage.controller.kinds.aws_credential.act import CredentialKind
from recording_storage.controller.kinds.public_key.act import PublicKeyKind
from recording_storage.controller.kinds.recorder_pod.watch import RecorderPods, Told
from recording_storage.controller.kinds.recording_settings.act import SettingsKind
from recording_storage.controller.kinds.recording_spool.act import SpoolKind
from recording_storage.controller.kinds.recording_spool.feed import SpoolFeed
from recording_storage.controller.kinds.recording_spool.make import Maker
from recording_storage.controller.kinds.recording_spool.pods import Pods
from recording_storage.controller.kinds.recording_spool.seen import Seen
from recording_storage.controller.reconcile import AnyKind, Fence, Reconciler, no_fence
from recording_storage.domain.conditions import Truth
from recording_storage.resources import RecordingSettings, Resource

logger = logging.getLogger(__name__)

WORKERS = 8
_BY_METADATA = (Kind.SECRET, Kind.CONFIG_MAP, Kind.NAMESPACE)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often the watches are held against the API server, in seconds."""

    compare: float = 60.0
    """Between comparisons."""
    late: float = 20.0
    """By which a watch may be late before the change is taken for missed."""
    refused: float = 30.0
    """For which the API server may refuse our credentials before liveness says so."""


class Operator:
    """One active replica, `run` once: whatever it knows of the cluster is in it, so another one begins anew."""

    def __init__(
        self,
        *,
        kube: Kube,
        namespaces: Sequence[str],
        index: Index,
        accounts: Accounts,
        hash_key: HashKey,
        pace: Pace | None = None,
        fence: Fence | None = None,
    ) -> None:
        self._kube = kube
        self._pace = pace or Pace()
        self._namespaces = tuple(namespaces)
        self._index = index
        self._queue: WorkQueue[Key] = WorkQueue()
        self._streaks: defaultdict[Key, Streak] = defaultdict(Streak)
        self._events = Events(kube, now=now)
        self._ready_of: dict[Key, str] = {}
        self._resource_versions = ResourceVersions(namespaced=bool(self._namespaces))
        self._lists = Lists(kube, namespaces=self._namespaces, resource_versions=self._resource_versions, index=index)
        self._metadata_watches = {place: self._metadata_watch(place) for place in self._metadata_places()}
        self._renew_kopf = asyncio.Event()
        clusterwide = not self._namespaces
        seen, pods = Seen(), Pods(kube)
        self._told = Told(self._events, changed=self._ref_changed)
        maker = Maker(kube=kube, index=index, pods=pods, fence=fence or no_fence)
        self._spools = SpoolFeed(
            accounts,
            kube=kube,
            index=index,
            seen=seen,
            maker=maker,
            namespaces=self._namespaces,
            queue=self._queue,
        )
        kinds: Mapping[Kind, AnyKind] = {
            Kind.ACCOUNT: AccountKind(kube=kube, index=index, accounts=accounts, clusterwide=clusterwide),
            Kind.CREDENTIAL: CredentialKind(kube=kube, index=index, accounts=accounts, hash_key=hash_key, now=now),
            Kind.PUBLIC_KEY: PublicKeyKind(kube=kube, index=index, accounts=accounts, hash_key=hash_key),
            Kind.SETTINGS: SettingsKind(kube=kube, index=index, accounts=accounts),
            Kind.SPOOL: SpoolKind(
                kube=kube, index=index, accounts=accounts, seen=seen, pods=pods, without=self._told.at
            ),
        }
        self._reconciler = Reconciler(
            kube=kube, index=index, kinds=kinds, events=self._events, written=self._written, now=now, fence=fence
        )

    async def run(self, *, ready: Callable[[], None]) -> None:
        """Works until it is cancelled; `ready` is called once everything is watched.

        Raises:
            KubeError: the first lists failed.
            RolledBack: the cluster was put back to an earlier state: what was seen, and what is on its way, are of no
                use any more.
        """
        metrics.OBJECTS.clear()
        for key, item in (await self._lists.objects()).items():
            self._delivered(key.kind, None, item)
        tasks: list[Coroutine[Any, Any, None]] = [self._work() for _ in range(WORKERS)]
        tasks += [self._events.run(), self._compare_forever(), self._measure(), self._watch_kopf(), self._spools.run()]
        tasks += [each.run() for each in self._metadata_watches.values()]
        tasks += [RecorderPods(self._kube, namespace=name, told=self._told).run() for name in self._namespaces or ("",)]
        try:
            async with asyncio.TaskGroup() as group:
                for task in tasks:
                    group.create_task(task)
                ready()
        except BaseExceptionGroup as ended:
            rollback = ended.subgroup(RolledBack)
            if rollback is None:
                raise
            raise rollback.exceptions[0] from None

    @property
    def dead_watches(self) -> list[str]:
        """Those that have missed changes, also after they were begun anew: liveness says so."""
        return self._resource_versions.dead

    async def _watch_kopf(self) -> None:
        pauses = WatchBackoff(first=1.0, longest=30.0)
        first = True
        while True:
            await asyncio.sleep(pauses.next())
            try:
                if not first:
                    await self._list_again()
                first = False
                await self._follow_kopf()
            except KubeError as error:
                logger.warning("watching our own kinds: %s; trying again by itself", error)

    async def _follow_kopf(self) -> None:
        """Returns once the watches have ended, or are to be begun anew."""
        self._renew_kopf.clear()
        watches = KopfWatches(self._kube.identity, namespaces=self._namespaces, sink=self._delivered)
        watches.start()
        ended = asyncio.create_task(watches.ended.wait())
        renew = asyncio.create_task(self._renew_kopf.wait())
        try:
            await asyncio.wait({ended, renew}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                logger.warning("the watches of our own kinds have ended; they are begun anew")
        finally:
            ended.cancel()
            renew.cancel()
            await watches.stop()

    async def _list_again(self) -> None:
        """What has changed while nothing was watched; kopf's own first list tells nothing of what is gone."""
        items = await self._lists.objects()
        for kind in MODELS:
            present = {key: item["metadata"]["resourceVersion"] for key, item in items.items() if key.kind is kind}
            for key in self._resource_versions.listed((kind, ""), present):
                self._take(key, items.get(key))

    def _take(self, key: Key, item: Document | None) -> None:
        if item is not None:
            self.told(key.kind, "MODIFIED", item)
        elif (gone := self._index.get(key)) is not None:
            self._forget(gone)

    def _metadata_places(self) -> list[Place]:
        if not self._namespaces:
            return [(kind, "") for kind in _BY_METADATA]
        # Watching namespaces as such takes a right on the whole cluster.
        return [(kind, name) for kind in (Kind.SECRET, Kind.CONFIG_MAP) for name in self._namespaces]

    def _metadata_watch(self, place: Place) -> MetadataWatch:
        return MetadataWatch(
            self._kube, place, lists=self._lists, resource_versions=self._resource_versions, changed=self._ref_changed
        )

    def _delivered(self, kind: Kind, type_: str | None, item: Document) -> None:
        key, version = key_in(kind, item), item["metadata"]["resourceVersion"]
        if type_ is None:
            self._resource_versions.known(key, version)
        else:
            self._resource_versions.event(key, version, gone=type_ == "DELETED")
        self.told(kind, type_, item)

    def told(self, kind: Kind, type_: str | None, item: Document) -> None:
        """Take what a watch has delivered."""
        resource = read_object(kind, item)
        if type_ == "DELETED":
            self._forget(resource)
            return
        change = self._index.put(resource)
        self._count(resource)
        if change.itself:
            self._queue.add(key_of(resource))
        self._fan_out(resource, change)

    def _written(self, resource: Resource, change: Change) -> None:
        self._resource_versions.seen(key_of(resource), resource.metadata.resource_version)
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
            if ref.kind is Kind.CLAIM and change.itself:
                self._ref_changed(ref)  # of RecordingSpools on one claim, each may be in another's way
            found = self._index.get(ref)
            if found is None:
                continue
            if ref.kind is not Kind.ACCOUNT or found.metadata.deletion_timestamp is not None:
                self._queue.add(ref)
        if isinstance(resource, RecordingSettings) and change.itself:
            self._wake_rivals(resource)

    def _wake_rivals(self, settings: Resource) -> None:
        for other in self._index.resources(self._index.referrers(account_key(settings))):
            ready = other.status.condition("Ready")
            if other.kind == Kind.SETTINGS and ready is not None and ready.status != Truth.TRUE:
                self._queue.add(key_of(other))

    def _ref_changed(self, key: Key) -> None:
        if key.kind is Kind.NAMESPACE:
            for referrer in self._index.referrers(ANY_NAMESPACE):
                self._queue.add(referrer, after=0.2)  # the first list tells of many at once
            return
        for referrer in self._index.referrers(key):
            self._queue.add(referrer)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._look(key)
            finally:
                self._queue.done(key)

    async def _look(self, key: Key) -> None:
        streak = self._streaks[key]
        try:
            outcome = await self._reconciler.reconcile(key, streak=streak)
        except KubeError as error:
            # A 404, too: a proxy's, or an API that is away for a while. Only a watch or the comparison tells of an end.
            log = logger.debug if error.conflict else logger.warning
            log("%s: %s; tried again by itself", key, error)
            failures = streak.count(f"API server: {error.status}")
            asked = Transient("", "", retry_after=error.retry_after)
            self._again(key, pause(asked, failures=failures, interval=60.0))
            return
        except Exception:
            # A defect of ours must not end the care for all other objects; it is loud, counted and tried again.
            metrics.RECONCILES.labels(kind=key.kind, outcome="defect").inc()
            logger.exception("%s: a defect of the operator; tried again by itself", key)
            failures = streak.count("defect") + 3
            self._again(key, pause(Transient("", ""), failures=failures, interval=300.0))
            return
        found = self._index.get(key)
        if found is not None and found.metadata.uid == outcome.gone:
            self._forget(found)  # a watch that begins only now never tells of it, and others wait for its end
        if outcome.verdict is None:
            self._streaks.pop(key, None)
        if outcome.after is not None:
            self._again(key, outcome.after)

    def _again(self, key: Key, after: float) -> None:
        self._queue.add(key, after=after * jitter(random.random()))  # noqa: S311 - no secret

    async def _compare_forever(self) -> None:
        """A watch that has silently died is found by comparing; what it missed is made up for."""
        while True:
            await asyncio.sleep(self._pace.late if self._resource_versions.in_doubt else self._pace.compare)
            try:
                await self._compare()
            except KubeError as error:
                logger.warning("comparing with the API server: %s", error)

    async def _compare(self) -> None:
        """Only what is referred to is listed of Secrets, ConfigMaps and namespaces, and of that the metadata."""
        watched = {kind for kind, _ in self._metadata_watches}
        places = self._index.places(watched)
        items = await self._lists.objects()
        present = {key: item["metadata"]["resourceVersion"] for key, item in items.items()}
        present |= await self._lists.versions(places)
        for key in self._resource_versions.compare(present, places=[*places, *((kind, "") for kind in MODELS)]):
            logger.error("%s: a change did not come through the watch, which is begun anew", key)
            metrics.MISSED.labels(kind=key.kind).inc()
            self._make_up(key, items.get(key))

    def _make_up(self, key: Key, item: Document | None) -> None:
        if key.kind not in MODELS:
            self._ref_changed(key)
            self._metadata_watches[key.kind, key.namespace if self._namespaces else ""].renew()
            return
        self._renew_kopf.set()
        self._take(key, item)

    def _forget(self, gone: Resource) -> None:
        change = self._index.remove(gone)
        self._queue.forget(key_of(gone))
        self._streaks.pop(key_of(gone), None)
        self._count(gone, gone=True)
        self._fan_out(gone, change)

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
