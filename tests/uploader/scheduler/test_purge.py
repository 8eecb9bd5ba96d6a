"""What the journal forgets, and when."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recording_storage.domain.states import FINAL, Product, RecordingState
from recording_storage.uploader.core.recording import Identity
from recording_storage.uploader.journal import records
from recording_storage.uploader.journal.database import Journal
from recording_storage.uploader.journal.records import AttemptOutcome
from recording_storage.uploader.scheduler import maintenance
from recording_storage.uploader.scheduler.maintenance import KEEP_FINAL, KEEP_UNTOLD, PURGE_EVERY, Maintenance
from tests.uploader.spools import FakeClock, SpoolFolder

_S = RecordingState
HOUR = 3600.0


class House:
    """A journal, and the rounds that are made over it."""

    def __init__(self, root: Path, journal: Journal, *, tells_ends: bool) -> None:
        self.clock, self.journal = FakeClock(), journal
        parts: Any = SimpleNamespace(
            clock=self.clock,
            journal=journal,
            plans=None,  # asked for lanes only
            spool=SimpleNamespace(root=root),
            reporter=SimpleNamespace(tells_ends=tells_ends),
        )
        self._maintenance = Maintenance(parts)

    def enter(
        self, path: str, state: RecordingState, *, age: float, told: bool = True, abandoned: bool = False
    ) -> None:
        new = records.NewRecording(
            sid=f"RE{path.encode().hex():0>32}",
            account_sid=f"AC{'0' * 32}",
            product=Product.VOICE,
            path=path,
            identity=Identity(1, 10, 1),
            content_type="audio/wav",
            state=state,
        )

        def work(connection: Any) -> None:
            [number] = records.add(connection, [new], now=self.clock.now() - age)
            connection.execute("UPDATE recordings SET told_seq=? WHERE id=?", (1 if told else 0, number))
            connection.execute("INSERT INTO objects (recording_id, key) VALUES (?, ?)", (number, path))
            [one] = records.select(connection, "r.id=?", (number,))
            attempt = records.add_attempt(connection, one, key=path, now=0.0, upload_id="u")
            outcome = AttemptOutcome.ABANDONED if abandoned else AttemptOutcome.STORED
            records.set_attempt(connection, attempt, outcome=outcome)

        self.journal.run(work)

    def left_after(self, seconds: float) -> list[str]:
        self.clock.advance(seconds)
        self._maintenance.run([])
        return sorted(one.path for one in self.journal.run(lambda connection: records.select(connection, "1")))

    def count(self, table: str) -> int:
        query = f"SELECT count(*) FROM {table}"
        return int(self.journal.run(lambda connection: connection.execute(query).fetchone()[0]))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path, known_spool=False)
    yield opened
    opened.close()


@pytest.fixture(params=[True, False], ids=["with a store", "alone"])
def house(request: pytest.FixtureRequest, tmp_path: Path, journal: Journal) -> House:
    return House(tmp_path, journal, tells_ends=request.param)


def test_final_ones_go_after_a_day_with_all_that_belongs_to_them(house: House) -> None:
    for state in FINAL:
        house.enter(f"{state} late", state, age=KEEP_FINAL - HOUR)
        house.enter(f"{state} early", state, age=KEEP_FINAL + HOUR)
    assert house.left_after(60) == ["deleted late", "released late"]
    assert house.count("objects") == house.count("attempts") == 2
    assert house.left_after(HOUR + 60) == []
    assert house.count("objects") == house.count("attempts") == 0


def test_what_is_not_over_stays_however_old_it_is(house: House) -> None:
    unfinished = sorted(set(RecordingState) - FINAL)
    for state in unfinished:
        house.enter(state, state, age=10 * KEEP_UNTOLD)
    assert house.left_after(60) == unfinished


def test_what_the_store_has_not_heard_the_end_of_stays_for_a_month(tmp_path: Path, journal: Journal) -> None:
    house = House(tmp_path, journal, tells_ends=True)
    house.enter("untold", _S.RELEASED, age=KEEP_FINAL + HOUR, told=False)
    assert house.left_after(60) == ["untold"]
    assert house.left_after(KEEP_UNTOLD - KEEP_FINAL) == []


def test_where_nobody_hears_of_ends_they_are_not_waited_for(tmp_path: Path, journal: Journal) -> None:
    house = House(tmp_path, journal, tells_ends=False)
    house.enter("a", _S.RELEASED, age=KEEP_FINAL + HOUR, told=False)
    assert house.left_after(60) == []


def test_an_upload_that_is_still_to_be_aborted_is_not_forgotten(house: House) -> None:
    house.enter("a", _S.RELEASED, age=KEEP_FINAL + HOUR, abandoned=True)
    assert house.left_after(60) == ["a"]
    assert house.left_after(KEEP_UNTOLD - KEEP_FINAL) == []


def test_many_go_in_many_transactions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PURGED_AT_ONCE", 3)
    for number in range(10):
        house.enter(str(number), _S.RELEASED, age=KEEP_FINAL + HOUR)
    answers: list[Any] = []
    real = house.journal.run
    monkeypatch.setattr(house.journal, "run", lambda work: answers.append(real(work)) or answers[-1])
    assert house.left_after(60) == []
    assert [one for one in answers if isinstance(one, int)][-5:] == [3, 3, 3, 1, 0]


def test_it_is_done_every_hour(house: House) -> None:
    house.enter("a", _S.RELEASED, age=KEEP_FINAL - 120)
    assert house.left_after(60) == ["a"]
    assert house.left_after(PURGE_EVERY / 2) == ["a"], "its time is over, the hour is not"
    assert house.left_after(PURGE_EVERY / 2) == []


@pytest.mark.slow
def test_an_uploader_that_runs_alone_forgets_what_it_has_released(quick: SpoolFolder) -> None:
    clock = FakeClock()
    for number in range(3):
        quick.put(f"{number}.wav")
    with quick.running(clock=clock) as running:
        running.await_states({f"{number}.wav": "released" for number in range(3)})
        clock.advance(KEEP_FINAL + PURGE_EVERY)
        running.await_none()
    quick.check_all_stored()
