"""A settings store on each of its databases, and its public port served for real."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from twilio.rest import Client

from recording_storage.store.app import create_public_app
from recording_storage.store.config import load_config
from recording_storage.store.context import Store, open_store
from recording_storage.store.server import Listeners, Listening
from recording_storage.store.services.accounts import NewAccount, create_account
from tests.waiting import SOON

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
"""PostgreSQL is slow only to start."""


@dataclass(frozen=True)
class LiveStore:
    store: Store
    url: str
    account: NewAccount

    @property
    def auth(self) -> tuple[str, str]:
        return self.account.sid, self.account.auth_token

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, auth=self.auth, timeout=SOON)

    def sdk(self, user: str | None = None, password: str | None = None, *, account_sid: str | None = None) -> Client:
        """The unmodified SDK; only its base URLs are changed."""
        client = Client(
            user or self.account.sid,
            password or self.account.auth_token,
            account_sid=account_sid or self.account.sid,
            edge="",
            region="",
        )
        for domain in (client.video, client.accounts, client.api):
            domain.base_url = self.url
        return client


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    url = request.getfixturevalue("postgres_url")
    assert isinstance(url, str)
    return url


@pytest.fixture
def allowed_endpoints() -> tuple[str, ...]:
    """Tests that enable external storage name theirs."""
    return ()


@pytest.fixture
def store(database_url: str, allowed_endpoints: tuple[str, ...], tmp_path: Path) -> Iterator[Store]:
    yield from _opened(database_url, allowed_endpoints, tmp_path)


@pytest.fixture
def sqlite_store(allowed_endpoints: tuple[str, ...], tmp_path: Path) -> Iterator[Store]:
    """For what doesn't depend on the database."""
    yield from _opened(f"sqlite:///{tmp_path / 'store.db'}", allowed_endpoints, tmp_path)


@pytest.fixture
def account(store: Store) -> NewAccount:
    return create_account(store, friendly_name="acme")


@pytest.fixture
def live(sqlite_store: Store) -> Iterator[LiveStore]:
    account = create_account(sqlite_store, friendly_name="acme")
    with serving(sqlite_store) as listening:
        yield LiveStore(sqlite_store, listening.public, account)


@pytest.fixture
def live_on_each(store: Store, account: NewAccount) -> Iterator[LiveStore]:
    """As `live`, on each database."""
    with serving(store) as listening:
        yield LiveStore(store, listening.public, account)


@contextmanager
def serving(store: Store) -> Iterator[Listening]:
    """The public port, on a loop of its own; nothing answers on the internal one."""
    listeners = Listeners(store.config)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    up = threading.Event()
    found: list[Listening] = []

    def ready(listening: Listening) -> None:
        found.append(listening)
        up.set()

    def run() -> None:
        try:
            loop.run_until_complete(
                listeners.serve(public=create_public_app(store), internal=nothing, on_listening=ready, stop=stop)
            )
        finally:
            up.set()

    thread = threading.Thread(target=run, name="store")
    thread.start()
    assert up.wait(SOON)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(SOON)
        loop.close()


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application without any path."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def _opened(url: str, allowed_endpoints: tuple[str, ...], folder: Path) -> Iterator[Store]:
    config = load_config(
        listen="127.0.0.1:0",
        internal_listen="127.0.0.1:0",
        database=url,
        master_key_file=folder / "master.key",
        create_master_key=True,
        media=folder / "media",
        allow_endpoint=allowed_endpoints,
    )
    store = open_store(config)
    yield store
    store.close()
