"""Watches Secrets, ConfigMaps and namespaces by their metadata alone: no value passes through here.

Why not by kopf, as our own kinds: its lists and watches ask for whole objects, and none of its settings asks for less.
Every Secret of the cluster would come with its values, get a record in kopf's memory, and a task at each change. An
`Accept` slipped under its session would rely on kopf never reading more of an object than metadata. Nor does kopf tell
what has gone while no watch was open, or how far a quiet watch has come (its bookmarks): `resource_versions` goes by
both.

Why our own kinds by kopf all the same: they are wanted whole, and there its lists, its watches and its order of events
by object do the job. What neither way tells is found in one place for both, `resource_versions`.
"""

import asyncio
import logging
import random
from collections.abc import Callable

from recording_storage.controller.cluster.kube import Kube, KubeError
from recording_storage.controller.cluster.listing import Lists, key_in, path_of
from recording_storage.controller.cluster.resource_versions import Place, ResourceVersions
from recording_storage.controller.core.keys import Key
from recording_storage.controller.core.watch_backoff import WatchBackoff

logger = logging.getLogger(__name__)

Told = Callable[[Key], None]


class MetadataWatch:
    """Calls `changed` with the key of each object of a collection at first and whenever it changes.

    What has changed while no watch was open is told of, too.
    """

    def __init__(
        self, kube: Kube, place: Place, *, lists: Lists, resource_versions: ResourceVersions, changed: Told
    ) -> None:
        self._kube = kube
        self._lists = lists
        self._place = place
        self._resource_versions = resource_versions
        self._changed = changed
        self._pauses = WatchBackoff()
        self._version = ""
        """From where to watch; empty: from a list."""
        self._open: asyncio.Timeout | None = None

    async def run(self) -> None:
        """Never returns; raises `RolledBack`."""
        asked = 0.0  # seconds that the API server wants to be left alone
        while True:
            pause = max(self._pauses.next(), asked)
            asked = 0.0
            await asyncio.sleep(pause * random.uniform(1.0, 1.2))  # noqa: S311 - no secret
            try:
                async with asyncio.timeout(None) as self._open:
                    await self._follow()
            except TimeoutError:  # by `renew`
                self._version = ""
            except KubeError as error:
                self._version = ""
                asked = error.retry_after or 0.0
                level = logging.DEBUG if error.expired else logging.WARNING
                logger.log(level, "watching %ss: %s; trying again by itself", self._place[0], error)
            finally:
                self._open = None

    def renew(self) -> None:
        """Give the present connection up and begin anew, with a list."""
        if self._open is not None and self._open.when() is None:
            self._open.reschedule(0.0)

    async def _follow(self) -> None:
        kind, namespace = self._place
        path = path_of(kind, namespace)
        if not self._version:
            versions, version = await self._lists.metadata(self._place)
            for key in self._resource_versions.listed(self._place, versions):
                self._changed(key)
            self._version = version
        async for event in self._kube.watch_metadata(path, version=self._version):
            self._pauses.event()
            self._version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                self._resource_versions.reach(kind, self._version)
                continue
            key = key_in(kind, event["object"])
            self._resource_versions.event(key, self._version, gone=event["type"] == "DELETED")
            self._changed(key)
