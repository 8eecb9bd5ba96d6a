"""No destination keeps the others out: who asks first gets a place first, and what hangs lends its own."""

import queue
import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from recording_storage.uploader.transfer.task import Outcome, Task
from recording_storage.uploader.transfer.upload_slots import PATIENCE, UploadSlots
from recording_storage.uploader.transfer.worker_pool import MAX_CONCURRENCY, WorkerPool
from tests.uploader.spools import FakeClock
from tests.uploader.transfer.test_worker_pool import STORED, task
from tests.waiting import SOON, eventually

SLOTS = 4 * MAX_CONCURRENCY


def waits(slots: UploadSlots, sid: str) -> threading.Event:
    """Have somebody wait for a place; set once it is had."""
    had, before = threading.Event(), slots.waiting

    def take() -> None:
        slots.take(sid)
        had.set()

    threading.Thread(target=take, daemon=True).start()
    eventually(lambda: slots.waiting == before + 1, what="one more waits")
    return had


def test_a_place_is_lent_only_when_nothing_has_moved_for_a_while() -> None:
    clock = FakeClock()
    slots = UploadSlots(2, most_lent=10, clock=clock)
    assert slots.take_now("a")
    clock.advance(1)
    assert slots.take_now("b")
    clock.advance(PATIENCE - 1.5)
    slots.moved("a")
    assert not slots.take_now("c")
    clock.advance(0.6)
    assert not slots.take_now("c"), "a has moved, and b has some time left"
    clock.advance(1)
    assert slots.take_now("c"), "b hangs"
    assert not slots.take_now("d")


def test_what_moves_again_has_its_place_again_where_one_is_free() -> None:
    clock = FakeClock()
    slots = UploadSlots(1, most_lent=10, clock=clock)
    assert slots.take_now("slow")
    clock.advance(PATIENCE)
    assert slots.take_now("b")
    slots.give_back("b")
    slots.moved("slow")
    assert not slots.take_now("c"), "the only one is taken"
    slots.give_back("slow")
    assert slots.take_now("c")


def test_who_has_just_given_one_back_does_not_get_it_before_those_that_wait() -> None:
    slots = UploadSlots(1, most_lent=0, clock=FakeClock())
    assert slots.take_now("a1")
    first, second = waits(slots, "b"), waits(slots, "c")
    slots.give_back("a1")
    assert not slots.take_now("a2")
    assert first.wait(SOON)
    assert not second.is_set()
    slots.give_back("b")
    assert second.wait(SOON)


def test_four_destinations_that_hang_keep_no_other_waiting() -> None:
    clock, end = FakeClock(), threading.Event()
    slots = UploadSlots(SLOTS, most_lent=SLOTS, clock=clock)
    hanging: queue.SimpleQueue[Task] = queue.SimpleQueue()
    done: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    def hang(one: Task) -> Outcome:
        hanging.put(one)
        assert end.wait(SOON)
        return Outcome(one, stored=STORED)

    def store(one: Task) -> Outcome:
        return Outcome(one, stored=STORED)

    crews = [WorkerPool(perform=hang, done=done.put, slots=slots, interleaved=False) for _ in range(4)]
    try:
        for number, crew in enumerate(crews):
            crew.put([task(100 * (number + 1) + one, size=1 << 24) for one in range(MAX_CONCURRENCY)])
        for _ in range(SLOTS):
            hanging.get(timeout=SOON)
        other = WorkerPool(perform=store, done=done.put, slots=slots)
        other.put([task(number, size=1) for number in range(20)])
        eventually(lambda: slots.waiting > 0, what="one waits")
        assert done.empty()
        clock.advance(PATIENCE)
        assert {done.get(timeout=SOON).task.recording.id for _ in range(20)} == set(range(20))
    finally:
        end.set()
    for _ in range(SLOTS):
        done.get(timeout=SOON)
    assert all(slots.take_now(f"after-{number}") for number in range(SLOTS)), "each slot came back once"
    assert not slots.take_now("one more")


class Histories(RuleBasedStateMachine):
    """Whatever is taken, moved and given back."""

    count, most_lent = 3, 2

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.slots = UploadSlots(self.count, most_lent=self.most_lent, clock=self.clock)
        self.moved_at: dict[str, float] = {}
        self.next = 0
        self.ever_quiet = False

    @rule(seconds=st.floats(0, 8))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def asks(self) -> None:
        self.next += 1
        sid = str(self.next)
        now = self.clock.monotonic()
        self.ever_quiet = self.ever_quiet or any(now - at >= PATIENCE for at in self.moved_at.values())
        if self.slots.take_now(sid):
            self.moved_at[sid] = self.clock.monotonic()
        else:
            assert len(self.moved_at) >= self.count

    @precondition(lambda self: self.moved_at)
    @rule(which=st.integers(0, 100))
    def moves(self, which: int) -> None:
        sid = sorted(self.moved_at)[which % len(self.moved_at)]
        self.slots.moved(sid)
        self.moved_at[sid] = self.clock.monotonic()

    @precondition(lambda self: self.moved_at)
    @rule(which=st.integers(0, 100))
    def ends(self, which: int) -> None:
        sid = sorted(self.moved_at)[which % len(self.moved_at)]
        self.slots.give_back(sid)
        del self.moved_at[sid]

    @invariant()
    def what_is_under_way_is_bounded(self) -> None:
        assert len(self.moved_at) <= self.count + (self.most_lent if self.ever_quiet else 0)

    def teardown(self) -> None:
        for sid in self.moved_at:
            self.slots.give_back(sid)
        assert [self.slots.take_now(f"x{number}") for number in range(self.count + 1)] == [True] * self.count + [False]


Histories.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
test_any_history = Histories.TestCase
