"""The internal port, served for real on a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from fastapi import FastAPI

from recording_storage.protocol.base import Message
from recording_storage.store.app import create_public_app
from recording_storage.store.config import load_config
from recording_storage.store.context import Store, open_store
from recording_storage.store.internal.app import create_internal_app, release_waiting
from recording_storage.store.internal.kube_identity import TokenReviewer
from recording_storage.store.server import Listeners, Listening
from recording_storage.store.tokens import create_token
from tests.waiting import SOON


@dataclass(frozen=True)
class Live:
    store: Store
    listening: Listening
    app: FastAPI
    admin_token: str = field(repr=False)

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        """A client with that bearer token; None: the admin's."""
        sent = {"Authorization": f"Bearer {token or self.admin_token}", **headers}
        return httpx.Client(base_url=f"{self.listening.internal}/internal/v1", headers=sent, timeout=SOON)

    def account_token(self, account_sid: str) -> str:
        with self.store.database.write() as session:
            return create_token(session, account_sid=account_sid)


def opened_store(url: str, folder: Path, **options: object) -> Store:
    config = load_config(
        listen="127.0.0.1:0",
        internal_listen="127.0.0.1:0",
        database=url,
        master_key_file=folder / "master.key",
        create_master_key=True,
        media=folder / "media",
        **options,
    )
    return open_store(config)


@contextmanager
def serving(store: Store, *, reviewer: TokenReviewer | None = None) -> Iterator[Live]:
    """Both ports, until the end of the block; long-polls are released then."""
    app = create_internal_app(store, reviewer=reviewer)
    listeners = Listeners(store.config)
    loop, stop, up = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    found: list[Listening] = []

    def ready(listening: Listening) -> None:
        found.append(listening)
        up.set()

    def run() -> None:
        serve = listeners.serve(
            public=create_public_app(store),
            internal=app,
            on_listening=ready,
            stop=stop,
            on_stop=lambda: release_waiting(app),
        )
        try:
            loop.run_until_complete(serve)
        finally:
            up.set()

    thread = threading.Thread(target=run, name="internal port")
    thread.start()
    assert up.wait(SOON)
    with store.database.write() as session:
        token = create_token(session, account_sid=None)
    try:
        yield Live(store, found[0], app, token)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(SOON)
        loop.close()


def body(message: Message) -> bytes:
    """As clients send it; no secret in it."""
    return message.to_json()
