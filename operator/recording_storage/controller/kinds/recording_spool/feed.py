"""Follows the store's list of spools: wakes their resources, makes those that are missing, cleans up at the store."""

import asyncio
import logging
import time
from collections.abc import Collection, Sequence

from recording_storage.controller.cluster.index import Index
from recording_storage.controller.cluster.kube import (
    METADATA,
    METADATA_LIST,
    Kube,
    KubeError,
    claim_path,
    find,
    namespace_path,
)
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.core.verdicts import Verdict
from recording_storage.controller.core.work_queue import WorkQueue
from recording_storage.controller.kinds.accounts import Accounts
from recording_storage.controller.kinds.recording_spool.make import Maker
from recording_storage.controller.kinds.recording_spool.observed import folder
from recording_storage.controller.kinds.recording_spool.pace import Pace
from recording_storage.controller.kinds.recording_spool.seen import Folder, Seen, folder_of
from recording_storage.controller.kinds.recording_spool.sweep import Step, step_for
from recording_storage.controller.stores.errors import StoreFailure
from recording_storage.controller.stores.internal import InternalStore
from recording_storage.protocol.spools import SpoolInfo, SpoolStanding
from recording_storage.resources import RecordingSpool

logger = logging.getLogger(__name__)

POLL, SWEEP = 2.0, 8.0
"""Seconds between questions for what has changed, and between those for all, with what goes."""


class SpoolFeed:
    def __init__(
        self,
        accounts: Accounts,
        *,
        kube: Kube,
        index: Index,
        seen: Seen,
        maker: Maker,
        namespaces: Sequence[str],
        queue: WorkQueue[Key],
    ) -> None:
        """Take the parts; without a bundled store there is nothing to follow."""
        self._kube = kube
        self._index = index
        self._accounts = accounts
        self._seen = seen
        self._maker = maker
        self._namespaces = frozenset(namespaces)
        self._queue = queue
        self._pace = Pace()
        self._swept = -SWEEP
        self._attached: frozenset[Folder] = frozenset()
        """Folders that had a RecordingSpool when last looked at: what loses it is cleaned up at once."""
        self._failing = ""

    async def run(self) -> None:
        """Never returns while there is a store."""
        while (internal := self._accounts.internal) is not None:
            try:
                await self._once(internal)
                self._failing = ""
            except (StoreFailure, KubeError, Verdict) as error:
                level = logging.DEBUG if str(error) == self._failing else logging.WARNING
                self._failing = str(error)
                logger.log(level, "following the spools at the store: %s; trying again by itself", error)
            await asyncio.sleep(POLL)

    async def _once(self, internal: InternalStore) -> None:
        revision, before = self._seen.revision, self._attached
        self._attached = frozenset(place for place in map(folder_of, self._seen.all()) if self._resources(place))
        due = time.monotonic() - self._swept >= SWEEP or bool(before - self._attached)
        if revision is not None and not due:
            for info in self._ours(self._seen.changed(await internal.spools(since=revision))):
                if not self._tell(info) and self._seen.heard(info):
                    await self._make(info)
            return
        for info in self._ours(self._seen.whole(await internal.spools())):
            self._tell(info)
        await self._sweep(internal)
        self._swept = time.monotonic()

    def _ours(self, infos: Collection[SpoolInfo]) -> list[SpoolInfo]:
        return [each for each in infos if not self._namespaces or each.namespace in self._namespaces]

    def _tell(self, info: SpoolInfo) -> bool:
        """Whether there are resources for the folder: they are looked at, at once where a pod waits for that."""
        keys = self._resources(folder_of(info))
        now = time.monotonic()
        for key in keys:
            if info.standing is SpoolStanding.UNASSIGNED:
                self._queue.add(key)
            elif (after := self._pace.after(key, now=now)) is not None:
                self._queue.add(key, after=after)
        return bool(keys)

    def _resources(self, place: Folder) -> list[Key]:
        namespace, claim, sub_path = place
        referrers = self._index.referrers(Key(Kind.CLAIM, namespace, claim))
        return [
            key
            for key in referrers
            if isinstance(found := self._index.get(key), RecordingSpool)
            and folder(found.spec.volume.sub_path) == sub_path
        ]

    async def _make(self, info: SpoolInfo) -> None:
        try:
            await self._maker.make(info)
        except (KubeError, Verdict) as error:  # the others are made all the same
            logger.warning("making a RecordingSpool in namespace %s: %s; trying again by itself", info.namespace, error)

    async def _sweep(self, internal: InternalStore) -> None:
        infos = self._ours(self._seen.all())
        claims, uids = await self._claims({each.namespace for each in infos}), {}
        for namespace in {each.namespace for each in infos}:
            uids[namespace] = await self._uid(namespace)
        for info in infos:
            place = folder_of(info)
            step = step_for(
                namespace=uids[info.namespace] in {info.namespace_uid, None},
                claim=place[:2] in claims,
                declared=bool(self._resources(place)),
                heard=self._seen.heard(info),
                newest=self._seen.at(*place)[0] == info,
            )
            if step is Step.MAKE:
                await self._make(info)
            elif step is Step.REMOVE:
                await self._remove(internal, info)
        self._pace.forget(now=time.monotonic())

    async def _remove(self, internal: InternalStore, info: SpoolInfo) -> None:
        shared = [each for each in self._seen.all() if each.spool_id == info.spool_id and each is not info]
        if shared:
            return  # a copy's row: it goes with the spool whose id it has
        logger.info("spool %s in namespace %s is gone: it is removed at the store", info.spool_id, info.namespace)
        await internal.remove_spool(info.spool_id)

    async def _claims(self, namespaces: Collection[str]) -> frozenset[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for namespace in namespaces:
            answer = await self._kube.get(claim_path(namespace), accept=METADATA_LIST)
            found |= {(namespace, each["metadata"]["name"]) for each in answer["items"] or ()}
        return frozenset(found)

    async def _uid(self, namespace: str) -> str | None:
        """None: it can't be asked; empty: it is gone."""
        try:
            found = await find(self._kube, namespace_path(namespace), accept=METADATA)
        except KubeError:
            if self._namespaces:  # its own right on namespaces is a cluster's
                return None
            raise
        return "" if found is None else str(found["metadata"]["uid"])
