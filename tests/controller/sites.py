"""A namespace, its account at a real store, and the operator's lives there; none of it needs another process."""

import sqlite3
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from starlette.types import ASGIApp

from recording_storage.controller.cluster.index import MODELS
from recording_storage.controller.core.keys import Kind
from recording_storage.controller.kinds.account.key_secret import ACCOUNT_ANNOTATION
from recording_storage.protocol.accounts import OpenAccount
from recording_storage.store.app import create_public_app
from recording_storage.store.context import Store
from recording_storage.store.database.models import Account, ApiKey, AwsCredential, Binding, PublicKey, Settings
from recording_storage.store.internal.accounts import open_account
from recording_storage.store.internal.app import create_internal_app
from recording_storage.store.tokens import create_token
from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.lives import INTERNAL, PUBLIC, Clock, Counted, Killed, Life, Mortality, Stores
from tests.controller.memory_cluster import MemoryCluster
from tests.s3.servers import Credentials

URL = "https://bucket.s3.eu-west-1.amazonaws.com/calls"
KEY_SECRET = "default-api-key"
_RETIRED_WITHIN = 3700.0
_LONG = 1200.0
_NO_END = 200
"""Writes that no change takes."""


class Router(httpx.AsyncBaseTransport):
    """Applications in this process, by the host of their URL."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._by_host = {httpx.URL(url).host: httpx.ASGITransport(app) for url, app in apps.items()}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host not in self._by_host:
            raise httpx.ConnectError("no such host", request=request)
        return await self._by_host[request.url.host].handle_async_request(request)


@dataclass(frozen=True, kw_only=True)
class ServedStore:
    store: Store
    router: Router
    token_file: Path

    def back_up(self) -> sqlite3.Connection:
        """All that its database holds, in memory."""
        copy = sqlite3.connect(":memory:")
        with closing(self._connect()) as database:
            database.backup(copy)
        return copy

    def put_back(self, copy: sqlite3.Connection) -> None:
        with closing(self._connect()) as database:
            copy.backup(database)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(str(self.store.database.engine.url.database))

    @classmethod
    def of(cls, store: Store, folder: Path) -> "ServedStore":
        token_file = folder / "token"
        with store.database.write() as session:
            token_file.write_text(create_token(session, account_sid=None))
        router = Router({PUBLIC: create_public_app(store), INTERNAL: create_internal_app(store)})
        return cls(store=store, router=router, token_file=token_file)


class Site:
    def __init__(
        self, stores: tuple[ServedStore, ServedStore], *, namespace: str, pem: str, remote: bool = False
    ) -> None:
        self.served, self._other = stores
        self.namespace = namespace
        self.pem = pem
        self.remote = remote
        self.pair = 1
        self.clock = Clock()
        self.mortality = Mortality()
        self.cluster = MemoryCluster(wrote=self.mortality.wrote)
        self.deaths = 0
        self.restart()

    def back_up(self) -> Callable[[], None]:
        """Gives what leads back to this moment, with a process that has just started."""
        cluster, time = self.cluster.snapshot(), self.clock.time
        databases = [(each, each.back_up()) for each in (self.served, self._other)]

        def put_back() -> None:
            self.cluster.restore(cluster)
            for each, copy in databases:
                each.put_back(copy)
            self.clock.time, self.deaths = time, 0
            self.mortality.done.clear()
            self.restart()

        return put_back

    def move_to_other_store(self) -> None:
        self.served, self._other = self._other, self.served
        self.restart()

    def restart(self) -> None:
        """Another process."""
        self.mortality.left = None
        way = Counted(self.served.router, self.mortality)
        stores = Stores(remote=way, bundled=way, token_file=self.served.token_file)
        self.life = Life(self.cluster, stores=stores, clock=self.clock)

    async def rest(self, *, at_death: Callable[[], None] = lambda: None) -> None:
        """Until nothing is left to be done, through a death, and predecessors of a credential have had their time."""
        for _ in range(3):
            try:
                await self._settle()
            except Killed:
                self.deaths += 1
                self.restart()
                at_death()
                await self._settle()
            if not any(each.get("status", {}).get("retiring") for each in self.cluster.items(Kind.CREDENTIAL)):
                return
            self.clock.time += _RETIRED_WITHIN

    async def _settle(self) -> None:
        await self.life.settle(self._written, within=_LONG)

    def _written(self) -> int:
        written = len(self.mortality.done)
        assert written < _NO_END, self.mortality.done[-10:]
        return written

    def apply_all(self, **spec: Any) -> None:
        """Account, Secret, credential, public key, settings; `spec` is the settings'."""
        self.cluster.apply(
            *self._account(),
            self.aws_secret(),
            resources.aws_credential(self.namespace),
            resources.public_key(self.namespace, self.pem),
            self.settings(**spec),
        )

    def _account(self) -> list[Document]:
        here = self.namespace
        if not self.remote:
            return [resources.account(here)]
        wanted = OpenAccount(friendly_name=f"{here}/default")
        opened = open_account(self.served.store, external_id=here, wanted=wanted)
        key = {"username": opened.api_key_sid, "password": opened.api_key_secret.get_secret_value()}
        store = {"type": "Remote", "endpoints": dict.fromkeys(("video", "accounts", "api"), PUBLIC)}
        account = resources.account(
            here, store=store, accountSid=opened.account_sid, apiKeySecretRef={"name": "hosted-key"}
        )
        return [resources.secret(here, "hosted-key", key), account]

    def settings(self, **spec: Any) -> Document:
        products = {"products": ["video"]} if self.remote else {}
        encryption = {"enabled": True, "publicKeyRef": {"name": "k1"}}
        return resources.settings(self.namespace, URL, **({"encryption": encryption} | products | spec))

    def aws_secret(self) -> Document:
        return resources.aws_secret(self.namespace, Credentials(f"AKIAIOSFODNN7EXAMPL{self.pair}", "s" * 40))

    def rotate(self) -> None:
        self.pair += 1
        self.cluster.apply(self.aws_secret())

    def change(self, kind: str, name: str, *, annotations: Mapping[str, str] | None = None, **spec: Any) -> None:
        found = self.find(kind, name)
        found["metadata"]["annotations"] = found["metadata"].get("annotations", {}) | dict(annotations or {})
        self.cluster.apply(found | {"spec": found["spec"] | spec})

    def delete(self, kind: str, name: str) -> None:
        self.cluster.delete(kind, self.namespace, name)

    def find(self, kind: str, name: str) -> Document:
        found = self.cluster.find(kind, self.namespace, name)
        assert found is not None
        return {"kind": kind, **found}

    def picture(self) -> Document:
        """All that there is, without what differs from one time to another: sids, times, versions."""
        return {"cluster": self._objects(), "secret": self._key_secret(), "store": self._accounts()}

    def _objects(self) -> dict[str, str]:
        found = {}
        for kind in MODELS:
            for item in self.cluster.items(kind):
                conditions = {each["type"]: each for each in item.get("status", {}).get("conditions", ())}
                ready = conditions.get("Ready", {})
                going = " is being deleted" if "deletionTimestamp" in item["metadata"] else ""
                name = f"{kind} {item['metadata']['name']}{going}"
                found[name] = f"{ready.get('status')} {ready.get('reason')}"
        return found

    def _key_secret(self) -> Document | None:
        """Whether it holds a key of the account that it names, and is left to the garbage collector."""
        found = self.cluster.find("Secret", self.namespace, KEY_SECRET)
        if found is None:
            return None
        metadata, sid = found["metadata"], b64decode(found["data"]["username"]).decode()
        with self.served.store.database.read() as session:
            key = session.get(ApiKey, sid)
            good = key is not None and metadata.get("annotations") == {ACCOUNT_ANNOTATION: key.account_sid}
        return {"good": good, "leaves": bool(metadata.get("ownerReferences"))}

    def _accounts(self) -> list[Document]:
        with self.served.store.database.read() as session:
            ours = sa.select(Account).where(Account.friendly_name == f"{self.namespace}/default")
            accounts = session.scalars(ours.order_by(Account.created_at)).all()
            return [{"status": each.status, **_content(session, each.sid)} for each in accounts]


@dataclass(frozen=True)
class Ground:
    """What the sites of all tests are built on: a store, and another one that has no account yet."""

    stores: tuple[ServedStore, ServedStore]
    pem: str
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def site(self, *, remote: bool = False) -> Site:
        return Site(self.stores, namespace=f"team-{next(self.numbers)}", pem=self.pem, remote=remote)


def _content(session: Any, account_sid: str) -> Document:
    def of(model: Any) -> list[Any]:
        return list(session.scalars(sa.select(model).where(model.account_sid == account_sid)).all())

    bound = sorted(each.namespace for each in of(Binding))
    items = {each.sid: _plain(each.friendly_name) for model in (AwsCredential, PublicKey) for each in of(model)}
    settings = {
        each.product: {"owned": bool(each.owner), "own_storage": each.own_storage} | _values(each.values, items)
        for each in of(Settings)
    }
    return {"keys": len(of(ApiKey)), "bound": bound, "items": sorted(items.values()), "settings": settings}


def _values(stored: Document, items: Mapping[str, str]) -> Document:
    """With names for sids; of what is switched off, no sid: nobody cares whether it is still there."""
    values = {name: items.get(str(value), value) for name, value in stored.items() if isinstance(value, str | bool)}
    for flag, name in (("aws_storage_enabled", "aws_credentials_sid"), ("encryption_enabled", "encryption_key_sid")):
        if not values[flag]:
            del values[name]
    return values


def _plain(name: str) -> str:
    """Label and content: the rest stands for the namespace."""
    label, _, tags = name.rpartition("-")
    return f"{label} {tags[8:]}"
