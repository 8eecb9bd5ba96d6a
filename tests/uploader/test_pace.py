"""As many uploads at a time as it takes to fill the waiting, and a large one never keeps a small one waiting."""

import queue
import threading

import pytest

from recording_storage.domain.states import Product, RecordingState
from recording_storage.s3.interleaving import give_way
from recording_storage.uploader.crew import BRIEF, MAX_CONCURRENCY, Crew
from recording_storage.uploader.entry import Identity, Recording, StoredFacts
from recording_storage.uploader.lanes import Lane
from recording_storage.uploader.outcome import SINGLE_UP_TO, Outcome, Task
from recording_storage.uploader.pace import FEWEST, Pace

MS = 0.001
STORED = StoredFacts(media_url="u", etag="", checksum="", sha256="", size=1, stored_at=0.0)


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
    pace.note(seconds=seconds, work=work)
    assert pace.wanted == wanted


def test_what_has_waited_for_the_others_says_little() -> None:
    pace = Pace(MAX_CONCURRENCY)
    for number in range(64):
        pace.note(seconds=(0.6 if number % 4 == 0 else 9.0) * MS, work=0.5 * MS)
    assert pace.wanted == FEWEST


def test_it_follows_a_line_that_becomes_slow() -> None:
    pace = Pace(MAX_CONCURRENCY)
    for seconds in [0.6 * MS] * 64 + [40 * MS] * 64:
        pace.note(seconds=seconds, work=0.5 * MS)
    assert pace.wanted == MAX_CONCURRENCY


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
            assert go_on.wait(20)
        return Outcome(task, stored=STORED)

    lane = Lane(
        ("AC", "d"),
        perform=perform,
        done=lambda _lane, outcome: done.put(outcome.task),
        places=threading.Semaphore(32),
    )
    large = [task(number, size=SINGLE_UP_TO + 1) for number in range(4)]
    small = [task(number, size=1) for number in range(10, 14)]
    lane.put([*large, *small])
    try:
        assert {done.get(timeout=10).recording.id for _ in small} == {one.recording.id for one in small}
    finally:
        go_on.set()
    assert {done.get(timeout=10).recording.id for _ in large} == {one.recording.id for one in large}


class Answers:
    """A destination whose uploads give way once they are sent, as a request to a server does."""

    def __init__(self, *, places: int = 32) -> None:
        self.steps: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.crew = Crew(
            perform=self._perform,
            done=lambda outcome: self.done.put(outcome.task.recording.id),
            places=threading.Semaphore(places),
        )

    def of(self, *tasks: Task) -> list[tuple[str, int]]:
        """What was done for these tasks, in order."""
        self.crew.put(tasks)
        assert {self.done.get(timeout=10) for _ in tasks} == {one.recording.id for one in tasks}
        return [self.steps.get_nowait() for _ in range(2 * len(tasks))]

    def _perform(self, task: Task) -> Outcome:
        self.steps.put(("sent", task.recording.id))
        give_way()
        self.steps.put(("answered", task.recording.id))
        return Outcome(task, stored=STORED)


def test_the_next_is_sent_while_the_answer_is_under_way() -> None:
    steps = Answers().of(*(task(number, size=100_000) for number in range(1, 4)))
    assert steps == [("sent", 1), ("sent", 2), ("answered", 1), ("sent", 3), ("answered", 2), ("answered", 3)]


ONE_BY_ONE = [("sent", 1), ("answered", 1), ("sent", 2), ("answered", 2)]


def test_no_answer_waits_for_the_sending_of_a_large_one() -> None:
    assert Answers().of(task(1, size=1), task(2, size=BRIEF + 1)) == ONE_BY_ONE


def test_a_destination_that_bears_one_at_a_time_gets_no_more() -> None:
    answers = Answers()
    answers.crew.limit = 1.0
    assert answers.of(task(1, size=1), task(2, size=1)) == ONE_BY_ONE


def test_the_last_place_is_no_reason_to_wait_for_one_s_own() -> None:
    assert Answers(places=1).of(task(1, size=1), task(2, size=1)) == ONE_BY_ONE
