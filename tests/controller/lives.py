"""The operator's lives: it looks and acts as in a cluster, from its start to the write at which it is killed.

The real skeleton, kinds and ports; only watches and queue are left out, so that a test says who is looked at when.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from recording_storage.controller.cluster.hash_key import HashKey
from recording_storage.controller.cluster.index import MODELS, Index, key_of, read_object
from recording_storage.controller.cluster.kube import KubeError
from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.core.verdicts import Defect, Streak
from recording_storage.controller.kinds.account.act import AccountKind
from recording_storage.controller.kinds.accounts import Accounts
from recording_storage.controller.kinds.aws_credential.act import CredentialKind
from recording_storage.controller.kinds.deletion import Watched
from recording_storage.controller.kinds.public_key.act import PublicKeyKind
from recording_storage.controller.kinds.recording_settings.act import SettingsKind
from recording_storage.controller.kinds.recording_spool.act import SpoolKind
from recording_storage.controller.kinds.recording_spool.pods import Pods
from recording_storage.controller.kinds.recording_spool.seen import Seen
from recording_storage.controller.reconcile import Outcome, Reconciler
from recording_storage.controller.stores.internal import InternalStore
from recording_storage.controller.stores.recent_writes import RecentWrites
from tests.controller.memory_cluster import MemoryCluster
from tests.controller.one_look import Told

HASH_KEY = HashKey(b"k" * 32)
_PATIENCE = 30.0
"""Seconds until it is looked again, at least, where nothing is left but to wait."""
START = datetime(2026, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process ends here."""


class Clock:
    """Seconds; goes on only when a test says so."""

    time = 1000.0

    def __call__(self) -> float:
        return self.time

    def now(self) -> datetime:
        return START + timedelta(seconds=int(self.time))


@dataclass
class Mortality:
    """At which write a life ends, counted over the API server and the store together."""

    left: int | None = None
    """Writes that are still made; None: it lives on."""
    done: list[str] = field(default_factory=list)

    def wrote(self, what: str) -> None:
        if self.left == 0:
            raise Killed(what)
        self.left = self.left - 1 if self.left is not None else None
        self.done.append(what)


class Counted(httpx.AsyncBaseTransport):
    """The way to a store: each write is counted before it takes effect."""

    def __init__(self, inner: httpx.AsyncBaseTransport, mortality: Mortality) -> None:
        self._inner = inner
        self._mortality = mortality

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            self._mortality.wrote(f"{request.method} {request.url.path}")
        return await self._inner.handle_async_request(request)


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Transports, and what the operator is told of the bundled store."""

    remote: httpx.AsyncBaseTransport
    bundled: httpx.AsyncBaseTransport | None = None
    token_file: Path | None = None


PUBLIC, INTERNAL = "http://public.test", "http://internal.test"


class Life:
    def __init__(
        self, cluster: MemoryCluster, *, stores: Stores, clock: Clock, recent: RecentWrites | None = None
    ) -> None:
        self.cluster = cluster
        self.clock = clock
        self.recent = recent or RecentWrites(clock)
        self.told = Told()
        self._stores = stores
        self._index = Index()
        self._streaks: defaultdict[Key, Streak] = defaultdict(Streak)
        remote = httpx.AsyncClient(transport=stores.remote)
        bundled = httpx.AsyncClient(transport=stores.bundled) if stores.bundled is not None else remote
        internal = InternalStore(bundled, url=INTERNAL, token_file=stores.token_file) if stores.bundled else None
        port: Any = cluster
        accounts = Accounts(
            kube=port,
            index=self._index,
            store_url=PUBLIC,
            internal=internal,
            bundled_client=bundled,
            remote_client=remote,
            recent=self.recent,
            clock=clock,
        )
        shared: dict[str, Any] = {"kube": port, "index": self._index, "accounts": accounts}
        kinds: dict[Kind, Any] = {
            Kind.ACCOUNT: AccountKind(**shared, clusterwide=True),
            Kind.CREDENTIAL: CredentialKind(**shared, hash_key=HASH_KEY, now=clock.now, watched=Watched(clock)),
            Kind.PUBLIC_KEY: PublicKeyKind(**shared, hash_key=HASH_KEY),
            Kind.SETTINGS: SettingsKind(**shared),
            Kind.SPOOL: SpoolKind(**shared, seen=Seen(), pods=Pods(port), without=lambda *_: None),
        }
        events: Any = self.told
        self._reconciler = Reconciler(
            kube=port,
            index=self._index,
            kinds=kinds,
            events=events,
            written=lambda *_: None,
            now=clock.now,
            watched=Watched(clock),
        )

    def anew(self) -> "Life":
        """The same process after a rollback of the cluster: of what it has seen there, nothing is left."""
        return Life(self.cluster, stores=self._stores, clock=self.clock, recent=self.recent)

    async def look(self, key: Key) -> Outcome | None:
        """At one object; None where it is not there, or the API server failed: it is looked at again."""
        self._deliver()
        try:
            outcome = await self._reconciler.reconcile(key, streak=self._streaks[key])
        except KubeError:
            return None
        # It is told at the object and tried again, which a test must not take for good.
        assert not isinstance(outcome.verdict, Defect), f"{key}: {outcome.verdict.message}"
        if outcome.verdict is None:
            self._streaks.pop(key, None)
        return outcome

    async def look_at_all(self) -> list[Outcome | None]:
        return [await self.look(key) for key in self._deliver()]

    async def settle(self, wrote: Callable[[], int], *, within: float) -> None:
        """Look until nothing is left to be done or waited for, or that many seconds have passed."""
        until = self.clock.time + within
        while self.clock.time < until:
            before = wrote()
            outcomes = await self.look_at_all()
            waiting = [each.after for each in outcomes if each and each.verdict is not None and each.after is not None]
            if wrote() != before or None in outcomes:
                self.clock.time += 1
            elif waiting:
                self.clock.time += max(min(waiting), _PATIENCE)
            else:
                return

    def _deliver(self) -> list[Key]:
        """What the watches would have brought; the accounts come first."""
        items = [read_object(kind, item) for kind in MODELS for item in self.cluster.items(kind)]
        present = {key_of(each): each.metadata.uid for each in items}
        for known in self._index.resources(self._index.keys()):
            if present.get(key_of(known)) != known.metadata.uid:
                self._index.remove(known)
        for each in items:
            self._index.put(each)
        return list(present)
