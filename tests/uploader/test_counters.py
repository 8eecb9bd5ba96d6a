"""Counters and progress: what has happened, and how far what is under way is."""

import logging
import threading

import pytest

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.counters import Counters
from recording_storage.uploader.status import progress
from recording_storage.uploader.status.progress import EVERY, Progress
from tests.s3.gate import Gate
from tests.uploader.spools import MIB, SpoolFolder

_S = RecordingState


def test_everything_begins_at_nothing() -> None:
    assert set(Counters().values().values()) == {0}
    assert {"stored", "stored_bytes", "released", "failures", "parked"} <= Counters().values().keys()


def test_what_is_counted_adds_up() -> None:
    counters = Counters()
    counters.add("stored")
    counters.add("stored_bytes", 100)
    counters.add("stored_bytes", 50)
    counters.failed(FailureClass.TRANSIENT)
    counters.failed(FailureClass.FILE)
    counters.failed(FailureClass.FILE)
    values = counters.values()
    assert (values["stored"], values["stored_bytes"]) == (1, 150)
    assert (values["failures"], values["failures_transient"], values["failures_file"]) == (3, 1, 2)


@pytest.mark.parametrize("state", RecordingState)
def test_only_what_comes_to_a_stop_is_counted_by_its_state(state: RecordingState) -> None:
    counters = Counters()
    before = dict(counters.values())
    counters.moved(state, 3)
    counted = {name: value for name, value in counters.values().items() if value != before.get(name)}
    assert counted == ({state.value: 3} if state in {_S.PARKED, _S.REJECTED, _S.DELETED} else {})


def test_values_are_a_moment_of_their_own() -> None:
    counters = Counters()
    before = counters.values()
    counters.add("stored")
    assert before["stored"] == 0


def test_many_threads_lose_nothing() -> None:
    counters = Counters()
    threads = [threading.Thread(target=lambda: [counters.add("stored") for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.values()["stored"] == 8000


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, for a test to set."""
    moment = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: moment[0])
    return moment


def test_what_is_under_way_is_known_until_it_has_ended() -> None:
    told = Progress()
    told.note("RE1", 8 * MIB, 20 * MIB)
    told.note("RE2", 8 * MIB, 100 * MIB)
    told.note("RE2", 16 * MIB, 100 * MIB)
    assert told.under_way() == {"RE1": (8 * MIB, 20 * MIB), "RE2": (16 * MIB, 100 * MIB)}
    told.note("RE1", 20 * MIB, 20 * MIB)
    assert told.under_way() == {"RE2": (16 * MIB, 100 * MIB)}
    told.note("RE1", 20 * MIB, 20 * MIB)  # nobody minds hearing it twice


def test_it_is_told_now_and_then_with_the_rate(now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    told = Progress()
    with caplog.at_level(logging.INFO):
        for done in (10, 20, 30, 40):
            told.note("RE1", done * MIB, 100 * MIB)
            now[0] += EVERY / 2
    # after each 10 s: those from 10 to 30 MiB took them, then it begins anew
    assert [record.getMessage() for record in caplog.records] == ["RE1: 30 of 100 MiB (30 %), 2.0 MiB/s"]


@pytest.mark.slow
def test_an_upload_that_fails_is_not_under_way_any_more(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^PUT .*partNumber=3", 400, code="EntityTooLarge", times=10)
    gated.put("a.mkv", 30 * MIB)
    with gated.running() as running:
        running.await_states({"a.mkv": "parked"})
        assert running.uploader.progress.under_way() == {}
