"""A remote store's address is a tenant's word: what no hosted service has is not connected to, unless it is allowed."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from recording_storage.controller.stores.call import Answer, call
from recording_storage.controller.stores.errors import StoreNotAllowed, StoreUnavailable
from recording_storage.controller.stores.transport import GuardedTransport
from recording_storage.s3.address_guard import AddressGuard
from tests.controller import resources
from tests.controller.conftest import World
from tests.controller.odd_store import OddStore, Told
from tests.controller.watching import condition, is_
from tests.waiting import SOON


def resolving(*addresses: str) -> Any:
    def resolve(host: str, port: int) -> list[Any]:
        del host
        family = socket.AF_INET
        return [(family, socket.SOCK_STREAM, 0, "", (address, port)) for address in addresses]

    return resolve


def ask(url: str, *, allowed: Sequence[str] = (), addresses: Sequence[str] = ()) -> Answer:
    guard = AddressGuard(allowed, resolve=resolving(*addresses)) if addresses else AddressGuard(allowed)

    async def go() -> Answer:
        async with httpx.AsyncClient(transport=GuardedTransport(guard), timeout=SOON) as client:
            return await call(client, "GET", url, where="the store", port="public")

    return asyncio.run(go())


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"])
def test_an_address_that_no_hosted_service_has_is_refused(address: str) -> None:
    with pytest.raises(StoreNotAllowed, match="https://video"):
        ask("https://video.example.com/v1", addresses=[address])
    with pytest.raises(StoreNotAllowed):
        ask(f"https://{address}/v1")


def test_one_refused_address_among_several_is_enough() -> None:
    with pytest.raises(StoreNotAllowed):
        ask("https://video.example.com/v1", addresses=["1.1.1.1", "127.0.0.1"])


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://video.example.com/"])
def test_plain_http_is_refused(url: str) -> None:
    with pytest.raises(StoreNotAllowed, match="is not https"):
        ask(url)


def test_what_is_allowed_is_reached_by_the_address_that_was_judged() -> None:
    with OddStore(lambda _: Told()) as store:
        assert ask(f"{store.url}/v1", allowed=[store.url]).status == 200
        port = store.url.rpartition(":")[2]
        named = f"http://store.example.com:{port}"
        assert ask(f"{named}/v1", allowed=[named], addresses=["127.0.0.1"]).status == 200
        assert store.asked[-1].headers["Host"] == f"store.example.com:{port}"


@pytest.mark.parametrize("url", ["https://169.254.169.254/v1", "https://10.0.0.1:8443/v1", "https://localhost/v1"])
def test_a_proxy_is_no_way_around_the_guard(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with OddStore(lambda _: Told()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with pytest.raises(StoreNotAllowed):
            ask(url)
        with pytest.raises(StoreNotAllowed):
            ask("https://video.example.com/v1", addresses=["10.0.0.1"])
        assert proxy.asked == []


def test_what_is_known_to_the_proxy_alone_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(StoreUnavailable, match="nobody listens there"):
        ask("https://nowhere.invalid/v1")


def test_a_name_that_does_not_resolve_may_come() -> None:
    with pytest.raises(StoreUnavailable):
        ask("https://nowhere.invalid/v1")


@pytest.mark.slow
def test_an_account_at_the_operators_own_loopback_is_refused(world: World) -> None:
    with OddStore(lambda _: Told()) as inside:
        endpoints = dict.fromkeys(("video", "accounts", "api"), inside.url)
        world.apply(
            resources.secret(world.namespace, "key", {"username": f"SK{'1' * 32}", "password": "p4ssw0rd"}),
            resources.account(
                world.namespace,
                store={"type": "Remote", "endpoints": endpoints},
                accountSid=f"AC{'1' * 32}",
                apiKeySecretRef={"name": "key"},
            ),
        )
        found = world.until("RecordingAccount", "default", is_("Stalled", "True", "EndpointNotAllowed"))
        assert f"--allow-endpoint {inside.url}" in condition(found, "Ready")["message"]
        assert inside.asked == []
