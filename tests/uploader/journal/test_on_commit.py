"""Every way into parked, held, rejected and deleted is told: in the log, in the counters, to the reporter."""

import json
import logging
import random
import re
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recording_storage import uploader
from recording_storage.domain.states import Product
from recording_storage.domain.states import RecordingState as S
from recording_storage.protocol.plan import AccountPlan, ProductPlan
from recording_storage.uploader.core.counters import Counters
from recording_storage.uploader.journal import database as journal_module
from recording_storage.uploader.journal.on_commit import STOPS, NotingConnection, Stop, StopTeller
from recording_storage.uploader.status.metrics import PREFIX, UploaderCollector
from recording_storage.uploader.status.requests import LinkState
from tests.field.actions import refuse
from tests.field.exchange import Operation
from tests.field.server import FieldServer
from tests.uploader.spools import FakeClock, Running, SpoolFolder
from tests.uploader.store_link.conftest import account_plan, fake_store
from tests.uploader.store_link.fake_store import FakeStore
from tests.waiting import SOON, eventually

__all__ = ["fake_store"]

TRIGGERS = """
CREATE TEMP TRIGGER moved AFTER UPDATE OF state ON main.recordings
  WHEN NEW.state IN ('parked', 'held', 'rejected', 'deleted')
  BEGIN SELECT written(NEW.sid, NEW.state); END;
CREATE TEMP TRIGGER entered AFTER INSERT ON main.recordings
  WHEN NEW.state IN ('parked', 'held', 'rejected', 'deleted')
  BEGIN SELECT entered(NEW.sid, NEW.state); END;
"""


class Witness:
    """Sees what is written, whoever writes it, and what is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: Counter[tuple[str, str]] = Counter()
        self.entered: Counter[tuple[str, str]] = Counter()
        self.told: Counter[tuple[str, str]] = Counter()
        migrate, tell = journal_module.migrate, StopTeller.__call__

        def migrate_and_watch(connection: sqlite3.Connection) -> None:
            migrate(connection)
            connection.create_function("written", 2, lambda sid, state: self.written.update([(sid, state)]))
            connection.create_function("entered", 2, lambda sid, state: self.entered.update([(sid, state)]))
            connection.executescript(TRIGGERS)

        def told(teller: StopTeller, stops: list[Stop]) -> None:
            self.told.update((one.sid, one.state.value) for one in stops)
            tell(teller, stops)

        monkeypatch.setattr(journal_module, "migrate", migrate_and_watch)
        monkeypatch.setattr(StopTeller, "__call__", told)

    @property
    def is_content(self) -> bool:
        """Each move was told, and each entry; one that is entered anew as it was isn't told again."""
        entries = self.told - self.written
        return self.written <= self.told and entries <= self.entered and set(self.entered) <= set(self.told)


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    return Witness(monkeypatch)


def told(stops: list[Stop], caplog: pytest.LogCaptureFixture) -> tuple[Counters, list[str]]:
    counters, woken = Counters(), []
    with caplog.at_level(logging.DEBUG):
        StopTeller(counters, wake=lambda: woken.append(True))(stops)
    assert woken == [True]
    return counters, [f"{one.levelname} {one.getMessage()}" for one in caplog.records]


def test_a_few_are_told_by_name_and_many_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    one = Stop(S.PARKED, "RE1", "a.wav", "KeyTooLong", "the key is too long")
    many = [Stop(S.REJECTED, f"RE{number}", f"{number}.wav", "AccessDenied", "denied") for number in range(100)]
    held = [Stop(S.HELD, "RE2", "b.wav", "NoSuchBucket", "gone")]
    counters, lines = told([one, *many, *held], caplog)
    assert lines == [
        "ERROR a.wav (RE1) is parked, KeyTooLong: the key is too long",
        "CRITICAL 100 recordings rejected, AccessDenied: denied",
    ]
    assert (counters.values()["parked"], counters.values()["rejected"]) == (1, 100)


def test_what_is_taken_back_is_not_told(tmp_path: Path) -> None:
    journal = journal_module.Journal.open(tmp_path, known_spool=False)
    seen: list[Any] = []
    journal.stopped = seen.extend

    def stop(connection: sqlite3.Connection) -> None:
        assert isinstance(connection, NotingConnection)
        connection.stops.append(Stop(S.PARKED, "RE1", "a", "c", "m"))

    def fail(connection: sqlite3.Connection) -> None:
        stop(connection)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - ours
        journal.run(fail)
    assert seen == []
    journal.run(stop)
    assert [one.sid for one in seen] == ["RE1"]
    journal.close()


def test_no_other_statement_of_the_uploader_writes_such_a_state() -> None:
    """What the witness of the histories below sees at run time, in the text: who adds a statement notes its moves."""
    writes = re.compile(r"(?:SET state=|INSERT INTO recordings)(?:'(?:parked|held|rejected|deleted)'|\?|v\.)")
    source = Path(uploader.__file__).parent
    found = {path for path in source.rglob("*.py") if writes.search(path.read_text())}
    noting = {path for path in source.rglob("*.py") if re.search(r"\bnote(?:_moved)?\(", path.read_text())}
    assert found
    assert found <= noting


def test_a_key_that_is_too_long_is_told(
    field_spool: SpoolFolder, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    field_spool.write_config(policy=json.dumps({"keyTemplate": "{source_name}" * 8 + "{recording_sid}"}))
    field_spool.put("n" * 200 + ".wav")
    with field_spool.running() as running:
        (name,) = field_spool.contents
        one = running.await_states({name: "parked"})[name]
        assert running.uploader.parts.counters.values()["parked"] == 1
    assert witness.told == {(one.sid, "parked"): 1}
    assert "is parked, KeyTooLong" in caplog.text


def test_metadata_that_can_t_be_used_is_told(
    field_spool: SpoolFolder, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    (field_spool.root / "a.wav.recording.json").write_text("{")
    field_spool.put("a.wav")
    with field_spool.running() as running:
        one = running.await_states({"a.wav": "parked"})["a.wav"]
        assert running.uploader.parts.counters.values()["parked"] == 1
    assert witness.told == {(one.sid, "parked"): 1}
    assert "a.wav (" in caplog.text


REFUSALS = (
    (403, "AccessDenied"),
    (404, "NoSuchBucket"),
    (400, "EntityTooLarge"),
    (400, "SomethingElse"),
    (503, "SlowDown"),
    (500, "InternalError"),
)
RESTART = 0.03
STEPS = 1000


@pytest.mark.slow
@pytest.mark.timeout(170)
@pytest.mark.parametrize(("seed", "with_store"), [(1, False), (2, True)])
def test_all_that_tells_agrees_after_any_history(
    field: FieldServer,
    field_spool: SpoolFolder,
    witness: Witness,
    fake_store: FakeStore,
    *,
    seed: int,
    with_store: bool,
) -> None:
    chance, clock = random.Random(seed), FakeClock()
    field_spool.write_config(policy=json.dumps({"denialGrace": "0s", "retryWindow": "10m"}))
    options: dict[str, Any] = {}
    if with_store:
        fake_store.set_plan(plan_for(field_spool))
        token = field_spool.root.parent / "token"
        token.write_text(fake_store.token)
        options = {"config": None, "store_url": fake_store.url, "token_file": token, "settle": 0.0}
    steps = counted = 0
    while steps < STEPS:
        with field_spool.running(clock=clock, **options) as running:
            before = Counter(state for _, state in witness.told.elements())
            while steps < STEPS:
                steps += 1
                if chance.random() < RESTART:
                    break
                one_step(running, field, field_spool, clock, chance=chance)
            settle(running, field_spool)
            agree(running, witness, before)
            if with_store:
                eventually(
                    lambda: told_to(fake_store) == told_by(running), what="the store is told what the journal has"
                )
            counted += 1
    assert counted > 5
    assert {state for _, state in witness.told} >= {"parked", "held", "rejected"}


def plan_for(field_spool: SpoolFolder) -> AccountPlan:
    """Of the store, with the policy that the configuration has alone."""
    plan = account_plan(bucket=field_spool.bucket.name)
    product = ProductPlan(destination_id=next(iter(plan.destinations)), denial_grace=0.0, retry_window=600.0)
    endpoint = field_spool.bucket.server.endpoint
    return plan.replace(
        products=dict.fromkeys(Product, product),
        destinations={name: one.replace(endpoint=endpoint) for name, one in plan.destinations.items()},
    )


def told_to(store: FakeStore) -> dict[str, str]:
    return {sid: report.state.value for (_, sid), report in store.recordings.items()}


def told_by(running: Running) -> dict[str, str]:
    """What it is to tell: all of which somebody knows whose they are."""
    found = running.uploader.view.recordings(limit=10**6)
    return {one.sid: one.state.value for one in found if one.account_sid}


def one_step(
    running: Running, field: FieldServer, field_spool: SpoolFolder, clock: FakeClock, *, chance: random.Random
) -> None:
    match chance.choice(
        ["put", "put", "put", "time", "time", "refuse", "refuse one", "mend", "retry", "change", "wrong"]
    ):
        case "put":
            field_spool.put(f"{len(field_spool.contents):04}.wav", chance.choice([0, 10, 100]) + 1)
            running.uploader.intake.rescan()
        case "wrong":
            name = f"{len(field_spool.contents):04}.wav"
            (field_spool.root / f"{name}.recording.json").write_text(chance.choice(["{", '{"type": "video"}', "[]"]))
            field_spool.put(name, 10)
            running.uploader.intake.rescan()
        case "time":
            clock.advance(chance.choice([1, 10, 60, 400]))
        case "refuse":
            field.on(set(Operation) - {Operation.OTHER}, refuse(*chance.choice(REFUSALS), "no"), times=30)
        case "refuse one":
            field.on(Operation.PUT, refuse(*chance.choice(REFUSALS), "no"), times=1)
        case "mend":
            field.mend()
        case "retry":
            running.uploader.view.retry(None)
        case "change" if left := field_spool.media():
            path = field_spool.root / chance.choice(left)
            if path.suffix == ".wav" and path.exists():
                field_spool.put(path.name, 50, seed=chance.randrange(1000))


def measured(running: Running) -> dict[str, float]:
    """What the metrics say of unfinished recordings, by state."""
    collector = UploaderCollector(running.uploader.view, link=lambda: LinkState("alone"), now=lambda: 0.0)
    return {
        sample.labels["state"]: sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.name == f"{PREFIX}_recordings" and sample.value
    }


def settle(running: Running, field_spool: SpoolFolder) -> None:
    running.uploader.intake.rescan()
    names = set(field_spool.contents)
    eventually(lambda: names <= set(running.recordings(limit=10**6)), what="all are found")
    assert running.uploader.scheduler.idle.wait(SOON)


def agree(running: Running, witness: Witness, before: Counter[str]) -> None:
    """Recordings, status, counters, and what was told of what was written."""

    def do_agree() -> bool:
        status = running.uploader.view.status()
        listed = Counter(one.state for one in running.uploader.view.recordings(limit=10**6))
        open_ones = {state: count for state, count in listed.items() if state not in {S.RELEASED, S.DELETED}}
        now = Counter(state for _, state in witness.told.elements()) - before
        return (
            {state: tally.count for state, tally in status.states.items()} == open_ones
            and all(status.counters[name] == now[name] for name in ("parked", "rejected", "deleted"))
            and measured(running) == {state.value: listed[state] for state in S if state in open_ones}
            and witness.is_content
        )

    eventually(do_agree, what="all agree")
    assert {state for _, state in witness.told} <= {state.value for state in STOPS}
