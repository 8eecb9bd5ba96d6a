"""The scheduler sleeps until there is something that it can do; while outcomes gather, that is to settle them."""

import threading

import pytest

from recording_storage.uploader.gathering import LINGER
from recording_storage.uploader.housekeeping import EVERY
from recording_storage.uploader.lanes import Lane
from recording_storage.uploader.outcome import Outcome, Task
from recording_storage.uploader.worker import Worker
from tests.uploader.spools import FakeClock, SpoolFolder
from tests.uploader.test_outage import await_that, the_lane

MANY = 40
ENDLESS = 100


class SteppingClock(FakeClock):
    """Once it is `started`, what the scheduler waits for comes at once, until `end`; waits without time are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.started = threading.Event()
        self.ended = threading.Event()
        self.end = 0.0
        self.in_vain = 0

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        if threading.current_thread().name != "scheduler" or not self.started.is_set() or self.ended.is_set():
            return super().wait(event, timeout)
        if event.is_set():
            return True
        assert timeout is not None
        self.in_vain += timeout <= 0
        self.advance(max(timeout, 0.0))
        if self.monotonic() >= self.end or self.in_vain >= ENDLESS:
            self.ended.set()
        return False


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """As many uploads begin as it is released."""
    perform, allowed = Worker.perform, threading.Semaphore(0)

    def perform_when_allowed(worker: Worker, lane: Lane, task: Task) -> Outcome:
        assert allowed.acquire(timeout=20)
        return perform(worker, lane, task)

    monkeypatch.setattr(Worker, "perform", perform_when_allowed)
    return allowed


def test_the_scheduler_sleeps_while_outcomes_gather_whatever_else_is_due(
    quick: SpoolFolder, allowed: threading.Semaphore
) -> None:
    names = [f"{number:03}.wav" for number in range(MANY)]
    for name in names:
        quick.put(name)
    clock = SteppingClock()
    with quick.running(clock=clock) as running:
        engine = running.uploader.engine
        await_that(lambda: bool(engine.lanes) and the_lane(running).queued == MANY - 1)
        settled = threading.Event()
        clock.advance(EVERY - LINGER / 2)  # housekeeping is due while the outcome waits for others
        engine.post(settled.set)
        assert settled.wait(20)
        clock.end = clock.monotonic() + LINGER
        clock.started.set()
        allowed.release(2)  # the second is begun while the answer for the first is under way
        assert clock.ended.wait(20)
        allowed.release(MANY)
        running.await_states(dict.fromkeys(names, "released"))
    assert clock.in_vain == 0
    quick.check_all_stored()


def test_the_scheduler_sleeps_while_it_stops_whatever_retry_is_due(
    quick: SpoolFolder, allowed: threading.Semaphore
) -> None:
    quick.put("a.wav")
    clock = SteppingClock()
    with quick.running(clock=clock) as running:
        engine = running.uploader.engine
        await_that(lambda: bool(engine.lanes) and the_lane(running).busy == 1)
        lane = the_lane(running)
        engine.stop(grace=EVERY)
        clock.end = clock.monotonic() + EVERY / 2
        lane.retry_due = clock.now() + 1.0
        clock.started.set()
        engine.post(lambda: None)
        assert clock.ended.wait(20)
        allowed.release()
    assert clock.in_vain == 0
