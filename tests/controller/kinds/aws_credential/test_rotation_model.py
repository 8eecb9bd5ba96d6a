"""A rotation as a game: Secret changes, crashes between any two actions, settings that switch or refuse, in any order.

At no moment may the settings be without the credential that they name; in the end there is one, and nothing else.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from recording_storage.controller.kinds.aws_credential.decide import (
    Action,
    Create,
    KeyPair,
    Observed,
    Replace,
    decide,
)
from recording_storage.controller.kinds.stored_item.decide import Delete, Rename
from recording_storage.controller.stores.answers import StoredItem
from recording_storage.controller.stores.naming import ItemName
from recording_storage.resources import AwsCredential

TAG = "00000000"
GOOD = (1, 2, 3)
"""Pairs that the bucket takes; others it refuses."""
START = datetime(2026, 1, 31, tzinfo=UTC)


class Game:
    def __init__(self) -> None:
        self.pair = 1
        self.items: dict[str, tuple[str, int]] = {}  # sid → name, pair
        self.in_settings = ""
        self.destination = ""
        """Credential of a destination that old recordings still go to."""
        self.status: dict[str, Any] = {}
        self.now = START
        self.made = 0

    def look(self, *, crash_after: int | None = None) -> bool:
        """One look of the operator; False if it was killed before it could write the status."""
        done = 0
        status = dict(self.status)
        while True:
            decision = decide(self.resource(status), self.observed())
            for action in decision.actions:
                if crash_after is not None and done >= crash_after:
                    return False
                self.act(action)
                done += 1
            status = {name: value for name, value in (status | dict(decision.status)).items() if value is not None}
            if not decision.actions:
                break
            assert done < 50, "no end of it"
        if crash_after is not None:
            return False
        self.status = status
        return True

    def act(self, action: Action) -> None:
        match action:
            case Create():
                self.made += 1
                self.items[f"CR{self.made:032x}"] = (action.name.text, int(action.pair.version))
            case Rename():
                self.items[action.sid] = (action.name.text, self.items[action.sid][1])
            case Replace():
                assert action.by in self.items
                self.destination = action.by if self.destination == action.sid else self.destination
            case Delete():
                assert action.sid != self.in_settings, "settings would be without their credential"
                assert action.sid != self.destination, "a destination would be without its credential"
                del self.items[action.sid]

    def switch(self) -> None:
        """What RecordingSettings does with the status that it sees."""
        wanted = self.status.get("pendingSid") or self.status.get("sid")
        if wanted in self.items and self.items[wanted][1] in GOOD:
            self.in_settings = wanted
            self.destination = self.destination or wanted

    def resource(self, status: dict[str, Any]) -> AwsCredential:
        source = {"type": "StaticKeys", "staticKeys": {"secretRef": {"name": "aws"}}}
        spec = {"accountRef": {"name": "default"}, "source": source}
        return AwsCredential.parse({"metadata": {"name": "main", "namespace": "x"}, "spec": spec, "status": status})

    def observed(self) -> Observed:
        version = str(self.pair)
        return Observed(
            tag=TAG,
            name=ItemName(label="main", resource_tag=TAG, content_tag=f"{self.pair:08x}"),
            pair=KeyPair(access_key_id=f"AKIA{version}", secret_access_key="secret", version=version),
            items=tuple(StoredItem(sid, name) for sid, (name, _) in self.items.items()),
            in_settings=frozenset({self.in_settings} - {""}),
            in_uploaders=frozenset(),
            now=self.now,
        )


MOVES = st.one_of(
    st.tuples(st.just("secret"), st.integers(1, 5)),
    st.tuples(st.just("crash"), st.integers(0, 3)),
    st.tuples(st.just("look"), st.just(0)),
    st.tuples(st.just("switch"), st.just(0)),
    st.tuples(st.just("lost status"), st.just(0)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(MOVES, max_size=30), st.sampled_from(GOOD))
def test_whatever_happens_there_is_always_one_that_works_and_in_the_end_only_that(
    moves: list[tuple[str, int]], last: int
) -> None:
    game = Game()
    for move, value in moves:
        game.now += timedelta(seconds=20)
        match move:
            case "secret":
                game.pair = value
            case "crash":
                game.look(crash_after=value)
            case "look":
                game.look()
            case "switch":
                game.switch()
            case "lost status":
                game.status = {}
        assert not game.in_settings or game.in_settings in game.items
    game.pair = last
    for _ in range(6):
        game.look()
        game.switch()
    assert list(game.items) == [game.status["sid"]]
    assert game.in_settings == game.destination == game.status["sid"]
    assert "pendingSid" not in game.status
    assert "retiring" not in game.status
