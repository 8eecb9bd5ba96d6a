"""Whatever answers at a store's address: what no settings store would answer is StoreUnavailable."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from recording_storage.controller.stores import call as store_call
from recording_storage.controller.stores import public
from recording_storage.controller.stores.errors import StoreFailure, StoreUnavailable
from recording_storage.controller.stores.internal import InternalStore
from recording_storage.controller.stores.public import AWS_PATH, ApiKey, Endpoints, PublicStore
from recording_storage.controller.stores.recent_writes import RecentWrites
from recording_storage.domain.conditions import MAX_MESSAGE
from recording_storage.domain.states import Product
from recording_storage.protocol.accounts import ApiKeyProof, BindNamespace
from recording_storage.protocol.base import Secret

SID = f"CR{'1' * 32}"
SETTINGS = {"account_sid": f"AC{'1' * 32}", "aws_storage_enabled": False, "encryption_enabled": None}
URL = "https://store.example.com"
Use = Callable[[PublicStore], Awaitable[Any]]

USES: dict[str, Use] = {
    "settings": lambda store: store.settings(Product.VIDEO),
    "list": lambda store: store.aws_credentials(),
    "keys": lambda store: store.public_keys(),
    "create": lambda store: store.create_aws_credential(
        friendly_name="n", access_key_id="AKIA1", secret_access_key="s3cr3t/+"
    ),
    "post": lambda store: store.set_settings(Product.VIDEO, {"FriendlyName": "n"}),
    "rename": lambda store: store.rename(AWS_PATH, SID, friendly_name="n"),
}


def answering(body: object, status: int = 200) -> httpx.Response:
    """Not yet read, as one from the network."""
    text = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(status, stream=httpx.ByteStream(text.encode()))


def use(name: str, answer: httpx.Response) -> Any:
    async def go() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as client:
            endpoints, key = Endpoints(video=URL, accounts=URL, api=URL), ApiKey("SK1", "secret-secret")
            store = PublicStore(client, endpoints=endpoints, key=key, account="AC1", recent=RecentWrites())
            return await USES[name](store)

    return asyncio.run(go())


@pytest.mark.parametrize("name", sorted(USES))
@pytest.mark.parametrize(
    "body", ['{"status":"ok"}', "{}", "[]", "null", "", "<html>welcome</html>", "[" * 100_000, '{"meta":{"key":"x"}}']
)
def test_a_foreign_answer_is_no_answer(name: str, body: str) -> None:
    with pytest.raises(StoreUnavailable, match="not as a settings store does") as caught:
        use(name, answering(body))
    assert "secret-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"account_sid": 7}, "account_sid"),
        ({"account_sid": "AC1"}, "account_sid"),
        ({"aws_storage_enabled": "perhaps"}, "aws_storage_enabled"),
        ({"aws_s3_url": ["x"]}, "aws_s3_url"),
        ({"fatal_error_policy": "Quarantine"}, "fatal_error_policy"),
        ({"tags": "{"}, "tags"),
        ({"tags": {"a": 1}}, "tags"),
    ],
)
def test_a_field_of_another_kind_is_named_and_its_value_is_not(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(StoreUnavailable, match=named) as caught:
        use("settings", answering(SETTINGS | changes))
    assert "Quarantine" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 2026 12:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("99999", 300.0),
        ("soon", None),
        ("", None),
    ],
)
def test_how_long_a_store_asks_to_be_left_alone_is_a_number_or_a_date_by_its_own_clock(
    value: str, seconds: float | None
) -> None:
    answer = answering({"message": "busy"}, 503)
    answer.headers.update({"Retry-After": value, "Date": "Thu, 01 Jan 2026 12:00:00 GMT"})
    with pytest.raises(StoreUnavailable) as caught:
        use("settings", answer)
    assert caught.value.retry_after == seconds


SENT = {
    "create": {"s3cr3t/+", "AKIA1:s3cr3t/+", "s3cr3t%2F%2B", "secret-secret"},
    "list": {"secret-secret", "SK1:secret-secret", base64.b64encode(b"SK1:secret-secret").decode()},
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500])
@pytest.mark.parametrize(
    ("name", "secret"), [(name, each) for name, secrets in SENT.items() for each in sorted(secrets)]
)
def test_what_a_store_repeats_of_a_request_holds_no_secret(name: str, secret: str, status: int) -> None:
    with pytest.raises(StoreFailure, match="Credentials is wrong: … again") as caught:
        use(name, answering({"code": secret, "message": f"Credentials is wrong: {secret} again"}, status))
    assert not any(each in f"{caught.value}{caught.value.code}" for each in ("s3cr3t", "secret-", secret))


def test_what_the_internal_api_repeats_of_a_request_holds_no_secret(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0k3n")

    async def go() -> None:
        words = {"code": "conflict", "message": "t0k3n may not bind by s3cr3t"}
        transport = httpx.MockTransport(lambda _: answering(words, 409))
        proof = ApiKeyProof(api_key_sid=f"SK{'1' * 32}", api_key_secret=Secret("s3cr3t"))
        async with httpx.AsyncClient(transport=transport) as client:
            store = InternalStore(client, url=URL, token_file=token)
            await store.bind("AC1", "u1", BindNamespace(namespace="here", api_key=proof))

    with pytest.raises(StoreFailure, match="… may not bind by …"):
        asyncio.run(go())


def test_a_stores_words_are_one_line_of_bounded_length() -> None:
    with pytest.raises(StoreFailure) as caught:
        use("settings", answering({"code": "x" * 1000, "message": "no\n2026-01-01 ERROR forged " + "x" * 500_000}, 403))
    assert str(caught.value).startswith("no 2026-01-01 ERROR forged x")
    assert len(str(caught.value)) <= MAX_MESSAGE
    assert len(caught.value.code) < 100


@pytest.mark.parametrize("item", [{}, {"sid": "CR1"}, {"sid": SID, "friendly_name": 7}, {"sid": SID[:-1] + "\n"}, 7])
def test_an_item_that_is_none_spoils_its_page(item: object) -> None:
    meta = {"key": "credentials", "next_page_url": None}
    with pytest.raises(StoreUnavailable):
        use("list", answering({"meta": meta, "credentials": [item]}))


def test_a_page_of_more_items_than_were_asked_for_is_none() -> None:
    meta, items = {"key": "credentials"}, [{"sid": f"CR{number:032x}"} for number in range(101)]
    assert len(use("list", answering({"meta": meta, "credentials": items[:100]}))) == 100
    with pytest.raises(StoreUnavailable, match="more than the 100 items"):
        use("list", answering({"meta": meta, "credentials": items}))


def listed(asked: list[str], following: Callable[[], str]) -> Any:
    """What a list comes to whose pages are empty and name a next one."""

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        await asyncio.sleep(0)
        return answering({"meta": {"key": "c", "next_page_url": following()}, "c": []})

    async def go() -> Any:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            endpoints = Endpoints(video=URL, accounts=f"{URL}/behind", api=URL)
            key = ApiKey("SK1", "secret-secret")
            store = PublicStore(client, endpoints=endpoints, key=key, account="AC1", recent=RecentWrites())
            return await store.aws_credentials()

    return asyncio.run(go())


@pytest.mark.parametrize(
    "following",
    [
        "@evil.example.com/v1?Page=1",
        ".evil.example.com/v1?Page=1",
        ":444/v1?Page=1",
        f"{URL}/v1/Credentials/PublicKeys?Page=1",
        f"{URL}{AWS_PATH}",
        "https://[?Page=1",
    ],
)
def test_a_next_page_that_is_not_of_the_same_list_is_none(following: str) -> None:
    asked: list[str] = []
    with pytest.raises(StoreUnavailable, match="no page of the same list"):
        listed(asked, lambda: following)
    assert len(asked) == 1


@pytest.mark.parametrize("place", ["", "http://inside", f"{URL}/behind", "https://x@evil.example.com", "//evil"])
def test_a_next_page_is_asked_for_where_the_first_one_was(place: str) -> None:
    asked: list[str] = []
    listed(asked, lambda: f"{place}{AWS_PATH}?Page=1" if len(asked) == 1 else "")
    assert asked == [f"{URL}/behind{AWS_PATH}?PageSize=100", f"{URL}/behind{AWS_PATH}?Page=1"]


def test_a_list_has_its_time_however_fast_its_pages_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "LISTED_WITHIN", 0.2)
    monkeypatch.setattr(public, "_MAX_PAGES", 10**9)
    with pytest.raises(StoreUnavailable, match="has not been listed within"):
        listed([], lambda: f"{AWS_PATH}?Page=1")


def test_what_a_store_answers_is_taken() -> None:
    more = {"aws_s3_url": None, "tags": '{"a":"b"}', "later": [1]}
    found = use("settings", answering(SETTINGS | more))
    assert (found.values.aws_s3_url, found.values.tags) == ("", {"a": "b"})
    page = {"meta": {"key": "credentials"}, "credentials": [{"sid": SID, "friendly_name": None}]}
    assert [each.sid for each in use("list", answering(page))] == [SID]


def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield b" " * 65536

    with pytest.raises(StoreUnavailable, match="more than 1 MiB"):
        use("settings", httpx.Response(200, content=endless()))
    assert sent < 2 * store_call.LARGEST["public"]

    monkeypatch.setitem(store_call.LARGEST, "public", 10)
    with pytest.raises(StoreUnavailable, match="answers with more"):
        use("settings", answering("x" * 11, 404))


def test_a_compressed_answer_is_not_unpacked() -> None:
    with pytest.raises(StoreUnavailable, match="compressed"):
        use("settings", httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"x")))


def test_an_answer_that_drips_is_given_up() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0)

    async def go() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))
        async with httpx.AsyncClient(transport=transport) as client:
            await store_call.call(client, "GET", URL, where="the store", port="public", longest=0.05)

    with pytest.raises(StoreUnavailable, match="has not answered within"):
        asyncio.run(go())


@pytest.mark.parametrize("body", ['{"status":"ok"}', "[]", "", "<html>"])
def test_a_foreign_answer_at_the_internal_port_is_no_answer(body: str) -> None:
    async def go() -> None:
        transport = httpx.MockTransport(lambda _: answering(body))
        async with httpx.AsyncClient(transport=transport) as client:
            await InternalStore(client, url=URL, token_file=None).bindings("AC1")

    with pytest.raises(StoreUnavailable, match="not as the internal API does"):
        asyncio.run(go())
