"""As many uploads at a time as it takes to fill the waiting, and a large one never keeps a small one waiting."""

import os
import queue
import select
import threading

import pytest

from recording_storage.domain.proof import Proof
from recording_storage.domain.states import Product, RecordingState
from recording_storage.s3.greenlets import is_ready
from recording_storage.uploader.core.clock import SystemClock
from recording_storage.uploader.core.recording import Identity, Recording, StoredFacts
from recording_storage.uploader.scheduler.destination import Lane
from recording_storage.uploader.transfer.checksum_trust import ChecksumTrust
from recording_storage.uploader.transfer.concurrency import FEWEST, Pace
from recording_storage.uploader.transfer.part_pool import PartPool
from recording_storage.uploader.transfer.task import SINGLE_UP_TO, Outcome, Task
from recording_storage.uploader.transfer.upload_slots import UploadSlots
from recording_storage.uploader.transfer.worker_pool import BRIEF, MAX_CONCURRENCY, WorkerPool
from tests.uploader.spools import FakeClock
from tests.waiting import SOON

MS = 0.001
STORED = StoredFacts(media_url="u", etag="", checksum=None, sha256="", size=1, stored_at=0.0)


@pytest.mark.parametrize(
    ("seconds", "work", "wanted"),
    [
        (0.5 * MS, 0.5 * MS, FEWEST),  # nothing to wait for: a server on this machine that does nothing
        (1.5 * MS, 0.5 * MS, 5),
        (30 * MS, 0.5 * MS, MAX_CONCURRENCY),  # a bucket in another city
        (0.1 * MS, 0.5 * MS, FEWEST),  # clocks of different grain
        (30 * MS, 0.0, MAX_CONCURRENCY),
    ],
)
def test_the_waiting_is_filled(seconds: float, work: float, wanted: int) -> None:
    pace = Pace(MAX_CONCURRENCY)
    pace.note(waited=max(seconds - work, 0.0), blocked=0.0, worked=work)
    assert pace.wanted == wanted


def test_what_has_waited_for_the_others_says_little() -> None:
    pace = Pace(MAX_CONCURRENCY)
    for number in range(64):
        pace.note(waited=(0.1 if number % 4 == 0 else 8.5) * MS, blocked=0.0, worked=0.5 * MS)
    assert pace.wanted == FEWEST


def test_it_follows_a_line_that_becomes_slow() -> None:
    pace = Pace(MAX_CONCURRENCY)
    for waited in [0.1 * MS] * 64 + [39.5 * MS] * 64:
        pace.note(waited=waited, blocked=0.0, worked=0.5 * MS)
    assert pace.wanted == MAX_CONCURRENCY


@pytest.mark.parametrize(("blocked", "threads"), [(0.0, 1), (0.1 * MS, 1), (1.0 * MS, 3), (30 * MS, MAX_CONCURRENCY)])
def test_a_slow_volume_is_read_by_several_threads(blocked: float, threads: int) -> None:
    pace = Pace(MAX_CONCURRENCY)
    pace.note(waited=blocked, blocked=blocked, worked=0.5 * MS)
    assert pace.threads == threads


def task(number: int, *, size: int) -> Task:
    recording = Recording(
        id=number,
        sid=f"RE{number:032x}",
        account_sid="AC",
        product=Product.VOICE,
        path=f"{number}.wav",
        state=RecordingState.UPLOADING,
        seq=1,
        identity=Identity(number, size, 1),
        content_type="audio/wav",
        found_at=0.0,
        changed_at=0.0,
    )
    return Task(recording, "key", None)


def test_large_ones_keep_no_small_one_waiting() -> None:
    go_on = threading.Event()
    done: queue.SimpleQueue[Task] = queue.SimpleQueue()

    def perform(_lane: Lane, task: Task) -> Outcome:
        if task.is_multipart:
            assert go_on.wait(SOON)
        return Outcome(task, stored=STORED)

    lane = Lane(
        ("AC", "d"),
        perform=perform,
        done=lambda _lane, outcome: done.put(outcome.task),
        slots=UploadSlots(32, most_lent=0, clock=SystemClock()),
        share=PartPool().share(),
        trust=ChecksumTrust(lambda *_: Proof(voucher=None), clock=FakeClock()),
    )
    large = [task(number, size=SINGLE_UP_TO + 1) for number in range(4)]
    quick = [task(number, size=1) for number in range(10, 14)]
    lane.put([*large, *quick])
    try:
        assert {done.get(timeout=SOON).recording.id for _ in quick} == {one.recording.id for one in quick}
    finally:
        go_on.set()
    assert {done.get(timeout=SOON).recording.id for _ in large} == {one.recording.id for one in large}


class Answers:
    """A destination whose uploads wait for their answers, as a request to a server does."""

    def __init__(self, *, slots: int = 32, interleaved: bool = True) -> None:
        self.steps: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._answers = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(10)]
        self.crew = WorkerPool(
            perform=self._perform,
            done=lambda outcome: self.done.put(outcome.task.recording.id),
            slots=UploadSlots(slots, most_lent=0, clock=SystemClock()),
            interleaved=interleaved,
        )

    def answer(self, *numbers: int) -> None:
        for number in numbers:
            os.eventfd_write(self._answers[number], 1)

    def until(self, *steps: tuple[str, int]) -> None:
        assert {self.steps.get(timeout=SOON) for _ in steps} == set(steps)

    def ended(self, count: int) -> list[int]:
        return [self.done.get(timeout=SOON) for _ in range(count)]

    def _perform(self, task: Task) -> Outcome:
        number = task.recording.id
        self.steps.put(("sent", number))
        assert is_ready(self._answers[number], select.POLLIN, seconds=SOON)
        self.steps.put(("answered", number))
        return Outcome(task, stored=STORED)


def small(*numbers: int) -> list[Task]:
    return [task(number, size=100_000) for number in numbers]


def test_the_next_is_sent_while_the_answer_is_under_way() -> None:
    answers = Answers()
    answers.crew.put(small(1, 2, 3))
    answers.until(("sent", 1), ("sent", 2))
    assert answers.steps.empty()
    answers.answer(1)
    answers.until(("answered", 1), ("sent", 3))
    answers.answer(2, 3)
    assert answers.ended(3)[0] == 1


def test_an_answer_that_does_not_come_keeps_nobody_waiting() -> None:
    answers = Answers()
    answers.crew.put(small(*range(10)))
    answers.answer(*range(1, 10))
    assert set(answers.ended(9)) == set(range(1, 10))
    answers.answer(0)
    assert answers.ended(1) == [0]


def test_what_comes_while_one_waits_begins_at_once() -> None:
    answers = Answers()
    answers.crew.put(small(1))
    answers.until(("sent", 1))
    answers.answer(2)
    answers.crew.put(small(2))
    assert answers.ended(1) == [2]
    answers.answer(1)
    assert answers.ended(1) == [1]


def test_a_destination_that_bears_one_at_a_time_gets_no_more() -> None:
    answers = Answers()
    answers.crew.limit = 1.0
    answers.crew.put(small(1, 2))
    answers.until(("sent", 1))
    answers.answer(2, 1)
    assert answers.ended(2) == [1, 2]


def test_the_last_place_is_no_reason_to_wait_for_one_s_own() -> None:
    answers = Answers(slots=1)
    answers.crew.put(small(1, 2))
    answers.until(("sent", 1))
    answers.answer(1, 2)
    assert answers.ended(2) == [1, 2]


def test_no_answer_waits_for_one_that_never_gives_way() -> None:
    answers = Answers()
    answers.crew.put([*small(1), task(2, size=BRIEF + 1), *small(3)])
    answers.until(("sent", 1), ("sent", 2))
    answers.answer(1)
    assert answers.ended(1) == [1]
    answers.answer(3)
    assert answers.ended(1) == [3]
    answers.answer(2)
    assert answers.ended(1) == [2]


def test_uploads_that_never_give_way_have_threads_of_their_own() -> None:
    answers = Answers(interleaved=False)
    answers.crew.put(small(1, 2, 3))
    answers.until(("sent", 1), ("sent", 2))
    answers.answer(2, 3)
    assert set(answers.ended(2)) == {2, 3}
    answers.answer(1)
    assert answers.ended(1) == [1]


def test_a_thread_that_can_t_be_had_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    start, refused = threading.Thread.start, threading.Event()

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "upload" and threading.active_count() > before:
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    answers = Answers(interleaved=False)
    before = threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    answers.crew.put(small(1, 2))
    answers.answer(1, 2)
    assert set(answers.ended(2)) == {1, 2}
    assert refused.is_set()
