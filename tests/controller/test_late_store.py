"""A store that shows its own work late, answers twice, loses answers, has pages of one: one credential all the same."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording_storage.controller.aws_credential import Action, Create, KeyPair, Observed, Replace, decide
from recording_storage.controller.naming import ItemName
from recording_storage.controller.public_store import AWS_PATH, ApiKey, Endpoints, PublicStore
from recording_storage.controller.recent_writes import SHOWN_WITHIN, RecentWrites
from recording_storage.controller.store_answers import StoredItem
from recording_storage.controller.store_errors import StoreNotFound, StoreUnavailable
from recording_storage.controller.stored_item import Delete, Rename
from recording_storage.domain.settings import RecordingSettings as StoreSettings
from recording_storage.domain.states import Product
from recording_storage.resources import AwsCredential

TAG, URL, AC = "0f" * 4, "https://store.example.com", f"AC{'1' * 32}"
PAIR = KeyPair(access_key_id="AKIA1", secret_access_key="secret", version="v1")
NAME = ItemName(label="main", resource_tag=TAG, content_tag="1e" * 4)
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Shown:
    """An item, and from when to when lists have it."""

    name: str
    since: float
    until: float = float("inf")


@dataclass
class LateStore:
    clock: Clock
    lag: float
    twice: bool = False
    lose: bool = False
    items: dict[str, Shown] = field(default_factory=dict)
    creations: int = 0
    writes: int = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        parts = urlsplit(str(request.url))
        if request.method != "GET":
            self.writes += 1
        status, body = self._answer(request.method, parts.path, parts.query, parse_qs(request.content.decode()))
        if request.method != "GET" and self.lose:
            self.lose = False
            raise httpx.ReadError("the connection is gone")
        return httpx.Response(status, stream=httpx.ByteStream(json.dumps(body).encode()))

    def _answer(self, method: str, path: str, query: str, form: dict[str, list[str]]) -> tuple[int, Any]:
        sid = path.removeprefix(AWS_PATH).strip("/")
        if method == "GET" and not sid:
            return 200, self._page(query)
        if method == "POST" and not sid:
            self.creations += 1
            sid = f"CR{self.creations:032x}"
            self.items[sid] = Shown(form["FriendlyName"][0], self.clock() + self.lag)
        found = self.items.get(sid)
        if found is None or found.until < float("inf"):
            return 404, {"code": 20404, "message": "not found"}
        if method == "DELETE":
            found.until = self.clock() + self.lag
            return 200, {}
        if method == "POST" and form.get("FriendlyName"):
            found.name = form["FriendlyName"][0]
        return 200, {"sid": sid, "friendly_name": found.name}

    def _page(self, query: str) -> dict[str, Any]:
        now = self.clock()
        listed = [sid for sid, shown in self.items.items() if shown.since <= now < shown.until]
        listed = [each for each in listed for _ in range(1 + self.twice)]
        number = int(parse_qs(query).get("Page", ["0"])[0])
        more = f"{URL}{AWS_PATH}?Page={number + 1}" if number + 1 < len(listed) else None
        items = [{"sid": sid, "friendly_name": self.items[sid].name} for sid in listed[number : number + 1]]
        return {"meta": {"key": "credentials", "next_page_url": more}, "credentials": items}

    @property
    def present(self) -> list[str]:
        return [sid for sid, shown in self.items.items() if shown.until == float("inf")]


class Operator:
    """Looks and acts as the skeleton does; what it remembers is gone when it is killed, the status stays."""

    def __init__(self, store: LateStore) -> None:
        self.store = store
        self.status: dict[str, Any] = {}
        self.restart()

    def restart(self) -> None:
        self._recent = RecentWrites(self.store.clock)

    def look(self, *, killed_after: int = 1000) -> None:
        asyncio.run(self._look(killed_after))

    async def _look(self, writes: int) -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.store.answer)) as client:
            endpoints, key = Endpoints(video=URL, accounts=URL, api=URL), ApiKey(f"SK{'1' * 32}", "s")
            store = PublicStore(client, endpoints=endpoints, key=key, account=AC, recent=self._recent)
            for _ in range(12):
                try:
                    decision = decide(self._resource(), await self._observed(store))
                    for action in decision.actions:
                        if writes == 0:
                            self.restart()
                            return
                        writes -= 1
                        await self._act(store, action)
                except StoreUnavailable:
                    return
                status = self.status | dict(decision.status)
                self.status = {name: value for name, value in status.items() if value is not None}
                if not decision.actions:
                    return
            raise AssertionError("acting does not lead to where the decision expects")

    def _resource(self) -> AwsCredential:
        source = {"type": "StaticKeys", "staticKeys": {"secretRef": {"name": "aws"}}}
        spec = {"accountRef": {"name": "default"}, "source": source}
        return AwsCredential.parse(
            {"metadata": {"name": "main", "namespace": "x"}, "spec": spec, "status": self.status}
        )

    async def _observed(self, store: PublicStore) -> Observed:
        items = await store.aws_credentials()
        if (sid := self.status.get("sid")) and sid not in {item.sid for item in items}:
            found = await store.item(AWS_PATH, sid)
            items += (found,) if found else ()
        now = START + timedelta(seconds=self.store.clock())
        return Observed(tag=TAG, name=NAME, pair=PAIR, items=items, now=now)

    async def _act(self, store: PublicStore, action: Action) -> None:
        match action:
            case Create():
                pair = action.pair
                await store.create_aws_credential(
                    friendly_name=action.name.text,
                    access_key_id=pair.access_key_id,
                    secret_access_key=pair.secret_access_key,
                )
            case Rename():
                await store.rename(AWS_PATH, action.sid, friendly_name=action.name.text)
            case Delete():
                try:
                    await store.delete(AWS_PATH, action.sid)
                except StoreNotFound:
                    return
            case Replace():
                return


@pytest.mark.parametrize("lag", [0.0, 10.0, 60.0])
@pytest.mark.parametrize("twice", [False, True])
def test_one_is_created_however_late_the_list_is(lag: float, *, twice: bool) -> None:
    clock = Clock()
    operator = Operator(LateStore(clock, lag, twice=twice))
    for _ in range(40):
        operator.look()
        clock.time += 2
    assert (operator.store.creations, operator.store.writes) == (1, 1)


def test_a_restart_asks_for_what_the_status_names() -> None:
    clock = Clock()
    operator = Operator(LateStore(clock, 60.0))
    for _ in range(5):
        operator.look()
        operator.restart()
    assert operator.store.creations == 1


def test_a_lost_answer_is_waited_for() -> None:
    clock = Clock()
    operator = Operator(LateStore(clock, 60.0, lose=True))
    for _ in range(45):
        operator.look()
        clock.time += 2
    assert operator.store.creations == 1
    assert operator.store.present == [operator.status["sid"]]


def test_a_creation_that_never_arrived_is_made_up_for() -> None:
    clock = Clock()
    operator = Operator(LateStore(clock, 60.0, lose=True))
    operator.look()
    operator.store.items.clear()
    clock.time += SHOWN_WITHIN + 1
    operator.look()
    assert operator.store.present == [operator.status["sid"]]


MOVES = st.one_of(
    st.tuples(st.just("look"), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 90)),
    st.tuples(st.just("kill"), st.integers(0, 2)),
    st.tuples(st.just("lose"), st.just(0)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=20), st.sampled_from([0.0, 10.0, 60.0]), st.booleans())
def test_in_the_end_there_is_one_and_few_writes_led_there(
    moves: list[tuple[str, int]],
    lag: float,
    twice: bool,  # noqa: FBT001 - hypothesis'
) -> None:
    clock = Clock()
    operator, troubles = Operator(LateStore(clock, lag, twice=twice)), 0
    for move, value in moves:
        match move:
            case "look":
                operator.look()
            case "wait":
                clock.time += value
            case "kill":
                operator.look(killed_after=value)
                operator.restart()
                troubles += 1
            case "lose":
                operator.store.lose = True
                troubles += 1
    for _ in range(8):
        clock.time += SHOWN_WITHIN
        operator.look()
    assert operator.store.present == [operator.status["sid"]]
    assert operator.store.writes <= 1 + 3 * troubles


def posted(**values: Any) -> StoreSettings:
    return StoreSettings(friendly_name="x", **values)


def test_settings_that_were_posted_count_until_the_store_shows_them() -> None:
    clock = Clock()
    recent = RecentWrites(clock)
    old, new, newer, foreign = (posted(aws_s3_url=name) for name in ("old", "new", "newer", "foreign"))
    assert recent.settings(AC, Product.VIDEO, old) == old
    recent.posted(AC, Product.VIDEO, new)
    assert recent.settings(AC, Product.VIDEO, old) == new
    recent.posted(AC, Product.VIDEO, newer)
    assert [recent.settings(AC, Product.VIDEO, each) for each in (old, new, newer)] == [newer] * 3
    assert recent.settings(AC, Product.VIDEO, foreign) == foreign, "somebody else has set these"
    assert recent.settings(AC, Product.VOICE, old) == old
    clock.time += SHOWN_WITHIN
    assert recent.settings(AC, Product.VIDEO, old) == old, "a store that late has gone back"


def test_what_the_bundled_store_shows_is_believed_at_once() -> None:
    clock = Clock()
    recent = RecentWrites(clock, shown_within=0.0)
    recent.created(AC, AWS_PATH, StoredItem("CR1", "x"))
    recent.posted(AC, Product.VIDEO, posted())
    clock.time += 0.001
    assert recent.items(AC, AWS_PATH, ()) == ()
    assert recent.settings(AC, Product.VIDEO, posted(aws_s3_url="x")) == posted(aws_s3_url="x")
