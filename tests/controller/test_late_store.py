"""A store that shows its own work late, answers twice, loses answers, is busy: in the end one of each all the same."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from recording_storage.controller.core.keys import Key, Kind
from recording_storage.controller.core.verdicts import Transient
from recording_storage.controller.reconcile import Outcome
from recording_storage.controller.stores.public import AWS_PATH, PUBLIC_KEYS_PATH
from recording_storage.controller.stores.recent_writes import SHOWN_WITHIN
from tests.cluster.kube import Document
from tests.controller import resources
from tests.controller.late_store import AC, URL, Busy, LateStore
from tests.controller.lives import Clock, Counted, Killed, Life, Mortality, Stores
from tests.controller.memory_cluster import MemoryCluster
from tests.s3.servers import Credentials

HERE = "team-a"
ACCOUNT, CREDENTIAL, PUBLIC_KEY, SETTINGS = (
    Key(Kind.ACCOUNT, HERE, "default"),
    Key(Kind.CREDENTIAL, HERE, "main"),
    Key(Kind.PUBLIC_KEY, HERE, "k1"),
    Key(Kind.SETTINGS, HERE, "default"),
)
COLLECTIONS = {CREDENTIAL: AWS_PATH, PUBLIC_KEY: PUBLIC_KEYS_PATH}
OWN = (CREDENTIAL, PUBLIC_KEY)
RETIRED_WITHIN = 3700.0
ASKED: tuple[tuple[dict[str, str], float], ...] = (
    ({}, 0.0),
    ({"Retry-After": "40"}, 40.0),
    ({"Retry-After": "99999999"}, 300.0),
    ({"Retry-After": "soon"}, 0.0),
    ({"Retry-After": "-1"}, 0.0),
    ({"Retry-After": "Thu, 01 Jan 2026 12:01:00 GMT", "Date": "Thu, 01 Jan 2026 12:00:00 GMT"}, 60.0),
    ({"Retry-After": "Thu, 01 Jan 2099 12:01:00 GMT", "Date": "Thu, 01 Jan 2026 12:00:00 GMT"}, 300.0),
    ({"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT", "Date": "Thu, 01 Jan 2026 12:00:00 GMT"}, 0.0),
)
"""Headers of a 429, and the seconds for which the store is to be left alone."""


class Place:
    """A store, a cluster with an account at it, and the operator's present life."""

    def __init__(self, pem: str, *, lag: float = 0.0, twice: bool = False) -> None:
        self.clock = Clock()
        self.store = LateStore(self.clock, lag, twice=twice)
        self.mortality = Mortality()
        self.cluster = MemoryCluster(wrote=self.mortality.wrote)
        self.pair = 1
        self._pem = pem
        self._stores = Stores(remote=Counted(self.store.transport, self.mortality))
        self.cluster.apply(
            resources.secret(HERE, "key", {"username": f"SK{'1' * 32}", "password": "secret"}),
            resources.account(
                HERE,
                store={"type": "Remote", "endpoints": dict.fromkeys(("video", "accounts", "api"), URL)},
                accountSid=AC,
                apiKeySecretRef={"name": "key"},
            ),
        )
        self.restart()

    def restart(self) -> None:
        self.life = Life(self.cluster, stores=self._stores, clock=self.clock)
        self.mortality.left = None

    async def look(self, key: Key) -> Outcome | None:
        try:
            return await self.life.look(key)
        except Killed:
            self.restart()
            return None

    async def look_at_all(self, *, after: float) -> None:
        self.clock.time += after
        for key in (ACCOUNT, *OWN, SETTINGS):
            await self.look(key)

    def apply(self, key: Key, *, in_use: bool = False) -> None:
        """Not what is being deleted: that can't be taken back."""
        found = self.find(key)
        if found is None or "deletionTimestamp" not in found["metadata"]:
            self.cluster.apply(*self._documents(key, in_use=in_use))

    def _documents(self, key: Key, *, in_use: bool) -> list[Document]:
        if key == CREDENTIAL:
            return [self._aws_secret(), resources.aws_credential(HERE)]
        if key == PUBLIC_KEY:
            return [resources.public_key(HERE, self._pem)]
        storage: Document = {"enabled": in_use} | (
            {} if in_use else {"credentialRef": None, "url": "https://b.s3.eu-west-1.amazonaws.com"}
        )
        encryption = {"enabled": True, "publicKeyRef": {"name": "k1"}} if in_use else {"enabled": False}
        return [
            resources.settings(
                HERE,
                "https://b.s3.eu-west-1.amazonaws.com",
                awsStorage=storage,
                encryption=encryption,
                products=["video"],
            )
        ]

    def _aws_secret(self) -> Document:
        return resources.aws_secret(HERE, Credentials(f"AKIA{self.pair}", "secret"))

    def rotate(self) -> None:
        self.pair += 1
        self.cluster.apply(self._aws_secret())

    def find(self, key: Key) -> Document | None:
        return self.cluster.find(key.kind, key.namespace, key.name)

    def delete(self, key: Key) -> None:
        if self.find(key) is not None:
            self.cluster.delete(key.kind, key.namespace, key.name)

    def status(self, key: Key) -> Document:
        found = self.find(key)
        assert found is not None
        return dict(found["status"])

    def ready(self, key: Key) -> Document:
        (found,) = (each for each in self.status(key)["conditions"] if each["type"] == "Ready")
        return dict(found)

    def at_store(self, key: Key) -> list[str]:
        return list(self.store.present(COLLECTIONS[key]))


@pytest.fixture
def place(rsa_pem: str) -> Callable[..., Place]:
    return lambda **options: Place(rsa_pem, **options)


each_of_ours = pytest.mark.parametrize("key", OWN, ids=str)


@each_of_ours
@pytest.mark.parametrize("lag", [0.0, 10.0, 60.0])
@pytest.mark.parametrize("twice", [False, True])
async def test_one_is_created_however_late_the_list_is(
    place: Callable[..., Place], key: Key, lag: float, *, twice: bool
) -> None:
    here = place(lag=lag, twice=twice)
    here.apply(key)
    for _ in range(40):
        await here.look_at_all(after=2)
    assert here.store.writes == [f"POST {COLLECTIONS[key]}"]


@each_of_ours
async def test_a_restart_asks_for_what_the_status_names(place: Callable[..., Place], key: Key) -> None:
    here = place(lag=60.0)
    here.apply(key)
    for _ in range(5):
        await here.look_at_all(after=1)
        here.restart()
    assert here.store.made == 1


@each_of_ours
async def test_a_lost_answer_is_waited_for(place: Callable[..., Place], key: Key) -> None:
    here = place(lag=60.0)
    here.apply(key)
    await here.look(ACCOUNT)
    here.store.lose = True
    for _ in range(45):
        await here.look_at_all(after=2)
    assert here.store.made == 1
    assert here.at_store(key) == [here.status(key)["sid"]]


@each_of_ours
async def test_a_creation_that_never_arrived_is_made_up_for(place: Callable[..., Place], key: Key) -> None:
    here = place(lag=60.0)
    here.apply(key)
    await here.look(ACCOUNT)
    here.store.lose = True
    await here.look(key)
    here.store.items[COLLECTIONS[key]].clear()
    await here.look_at_all(after=SHOWN_WITHIN + 1)
    assert here.at_store(key) == [here.status(key)["sid"]]


@each_of_ours
@pytest.mark.parametrize("lag", [10.0, 60.0])
async def test_what_a_killed_process_has_made_is_deleted_although_it_is_shown_only_later(
    place: Callable[..., Place], key: Key, lag: float
) -> None:
    here = place(lag=lag)
    here.apply(key)
    await here.look(ACCOUNT)
    here.mortality.left = 2  # the finalizer and the creation, not the status
    await here.look(key)
    assert here.store.made == 1
    here.delete(key)
    await here.look_at_all(after=1)
    assert here.ready(key)["reason"] == "NotShownYet"
    await here.look_at_all(after=SHOWN_WITHIN)
    assert here.find(key) is None
    assert here.at_store(key) == []


@each_of_ours
async def test_what_was_made_without_an_answer_is_deleted_although_it_is_shown_only_later(
    place: Callable[..., Place], key: Key
) -> None:
    here = place(lag=60.0)
    here.apply(key)
    await here.look_at_all(after=SHOWN_WITHIN)
    here.delete(key)
    await here.look(key)
    assert here.find(key) is None, "who has been there for so long need not wait"

    here.apply(key)
    here.store.lose = True
    await here.look(key)
    here.delete(key)
    await here.look(key)
    assert here.ready(key)["reason"] == "NotShownYet"
    await here.look_at_all(after=SHOWN_WITHIN)
    assert here.find(key) is None
    assert here.at_store(key) == []


@pytest.mark.parametrize("key", [ACCOUNT, *OWN, SETTINGS], ids=str)
@pytest.mark.parametrize(("headers", "seconds"), ASKED)
async def test_a_busy_store_is_left_alone_for_as_long_as_it_asks_within_reason(
    place: Callable[..., Place], key: Key, headers: dict[str, str], seconds: float
) -> None:
    here = place()
    here.apply(CREDENTIAL)
    here.apply(PUBLIC_KEY)
    here.apply(SETTINGS, in_use=True)
    await here.look_at_all(after=1)
    here.store.busy.append(Busy(headers=headers))
    outcome = await here.look(key)
    assert outcome is not None
    assert isinstance(outcome.verdict, Transient)
    assert outcome.after == max(seconds, 0.5)
    told = here.ready(key)["message"]
    assert (f"tried again after {seconds:.0f} s" in told) == (seconds > 0)
    await here.look(key)
    assert here.ready(key)["status"] == "True"


async def test_what_is_switched_off_is_set_once(place: Callable[..., Place]) -> None:
    here = place()
    here.apply(CREDENTIAL)
    here.apply(PUBLIC_KEY)
    for in_use in (True, False):
        here.apply(SETTINGS, in_use=in_use)
        for _ in range(4):
            await here.look_at_all(after=10)
        assert here.ready(SETTINGS)["status"] == "True"
        assert here.store.in_force.aws_storage_enabled is here.store.in_force.encryption_enabled is in_use
    assert sum(each.startswith("POST /v1/RecordingSettings") for each in here.store.writes) == 2


MOVES = st.one_of(
    st.tuples(st.just("look"), st.sampled_from([*OWN, SETTINGS])),
    st.tuples(st.just("wait"), st.integers(1, 90)),
    st.tuples(st.just("kill"), st.tuples(st.sampled_from([*OWN, SETTINGS]), st.integers(0, 4))),
    st.tuples(st.just("lose"), st.none()),
    st.tuples(st.just("busy"), st.sampled_from([headers for headers, _ in ASKED])),
    st.tuples(st.just("apply"), st.sampled_from(OWN)),
    st.tuples(st.just("delete"), st.sampled_from(OWN)),
    st.tuples(st.just("settings"), st.booleans()),
    st.tuples(st.just("rotate"), st.none()),
)
COST = {"apply": 2, "delete": 1, "settings": 1, "rotate": 3, "kill": 3, "lose": 3}
"""Writes to the store that a wish may take, that a death or a lost answer may cost."""


async def play(place: Place, moves: list[tuple[str, Any]]) -> int:
    """Gives the writes to the store that it may have taken."""
    for move, value in moves:
        match move:
            case "look":
                await place.look(value)
            case "wait":
                await place.look_at_all(after=value)
            case "kill":
                key, place.mortality.left = value
                await place.look(key)
                place.restart()
            case _:
                happen(place, move, value)
    return sum(COST.get(move, 0) for move, _ in moves)


def happen(place: Place, move: str, value: Any) -> None:
    match move:
        case "lose":
            place.store.lose = True
        case "busy":
            place.store.busy.append(Busy(headers=value))
        case "apply":
            place.apply(value)
        case "delete":
            place.delete(value)
        case "settings":
            place.apply(SETTINGS, in_use=value)
        case "rotate":
            place.rotate()


async def come_to_rest(place: Place) -> None:
    """With all in use; what is being deleted goes before, once nothing uses it."""
    for in_use in (False, True):
        for key in OWN if in_use else ():
            place.apply(key)
        place.apply(SETTINGS, in_use=in_use)
        for seconds in (1, *[SHOWN_WITHIN] * 4, *[RETIRED_WITHIN] * 2, SHOWN_WITHIN):
            await place.look_at_all(after=seconds)


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.lists(MOVES, max_size=25), st.sampled_from([0.0, 10.0, 60.0]), st.booleans())
def test_in_the_end_there_is_one_of_each_and_few_writes_led_there(
    rsa_pem: str,
    moves: list[tuple[str, Any]],
    lag: float,
    twice: bool,  # noqa: FBT001 - hypothesis'
) -> None:
    place = Place(rsa_pem, lag=lag, twice=twice)
    allowed = asyncio.run(play(place, moves))
    asyncio.run(come_to_rest(place))
    assert place.store.wrongs == []
    assert {key: place.ready(key)["status"] for key in (*OWN, SETTINGS)} == dict.fromkeys((*OWN, SETTINGS), "True")
    assert {key: place.at_store(key) for key in OWN} == {key: [place.status(key)["sid"]] for key in OWN}
    in_force = place.store.in_force
    assert [in_force.aws_credentials_sid, in_force.encryption_key_sid] == [place.status(key)["sid"] for key in OWN]
    assert len(place.store.writes) <= allowed + 2 * COST["settings"] + len(OWN) * COST["apply"], place.store.writes
