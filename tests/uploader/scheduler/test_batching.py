"""The scheduler sleeps until there is something that it can do; while outcomes gather, that is to settle them."""

import os
import select
import threading
from contextlib import suppress

import pytest

from recording_storage.s3.greenlets import is_ready
from recording_storage.uploader.scheduler.batching import LINGER
from recording_storage.uploader.scheduler.destination import Lane
from recording_storage.uploader.scheduler.maintenance import EVERY
from recording_storage.uploader.scheduler.scheduler import LOW
from recording_storage.uploader.scheduler.worker import Worker
from recording_storage.uploader.transfer.task import Outcome, Task
from recording_storage.uploader.transfer.worker_pool import MAX_CONCURRENCY
from tests.uploader.scheduler.test_outage import put_many, the_lane
from tests.uploader.spools import FakeClock, SpoolFolder
from tests.waiting import SOON, eventually

MANY = LOW + MAX_CONCURRENCY + 1
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


class Permits:
    """As many uploads begin as are released; the others give way, as one that waits for its server."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)

    def release(self, count: int = 1) -> None:
        os.eventfd_write(self._fd, count)

    def acquire(self) -> None:
        mine = os.dup(self._fd)
        try:
            while True:
                assert is_ready(mine, select.POLLIN, seconds=SOON)
                with suppress(BlockingIOError):
                    os.eventfd_read(mine)
                    return
        finally:
            os.close(mine)


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> Permits:
    perform, allowed = Worker.perform, Permits()

    def perform_when_allowed(worker: Worker, lane: Lane, task: Task) -> Outcome:
        allowed.acquire()
        return perform(worker, lane, task)

    monkeypatch.setattr(Worker, "perform", perform_when_allowed)
    return allowed


def test_the_scheduler_sleeps_while_outcomes_gather_whatever_else_is_due(
    field_spool: SpoolFolder, allowed: Permits
) -> None:
    """The first upload of a destination goes alone, to find out what it vouches by: the others gather after it."""
    field_spool.put("first.wav")
    clock = SteppingClock()
    with field_spool.running(clock=clock) as running:
        scheduler = running.uploader.scheduler
        eventually(lambda: bool(scheduler.lanes) and the_lane(running).busy == 1, what="one is under way")
        names = put_many(field_spool, count=MANY)
        running.uploader.intake.rescan()
        eventually(lambda: running.recordings().keys() == {"first.wav", *names}, what="all are found")
        allowed.release()
        # all of them are taken at once, and however many are under way, enough are left for none to be asked for
        eventually(lambda: the_lane(running).busy == MANY and the_lane(running).queued >= LOW, what="all are claimed")
        settled = threading.Event()
        clock.advance(EVERY - LINGER / 2)  # housekeeping is due while the outcome waits for others
        scheduler.post(settled.set)
        assert settled.wait(SOON)
        clock.end = clock.monotonic() + LINGER
        clock.started.set()
        allowed.release()
        assert clock.ended.wait(SOON)
        allowed.release(MANY)
        running.await_states(dict.fromkeys(names, "released"))
    assert clock.in_vain == 0
    field_spool.check_all_stored()


def test_the_scheduler_sleeps_while_it_stops_whatever_retry_is_due(quick: SpoolFolder, allowed: Permits) -> None:
    quick.put("a.wav")
    clock = SteppingClock()
    with quick.running(clock=clock) as running:
        scheduler = running.uploader.scheduler
        eventually(lambda: bool(scheduler.lanes) and the_lane(running).busy == 1, what="one is under way")
        lane = the_lane(running)
        scheduler.stop(grace=EVERY)
        clock.end = clock.monotonic() + EVERY / 2
        lane.retry_due = clock.now() + 1.0
        clock.started.set()
        scheduler.post(lambda: None)
        assert clock.ended.wait(SOON)
        allowed.release()
    assert clock.in_vain == 0
