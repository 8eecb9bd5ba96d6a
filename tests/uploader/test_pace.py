"""As many uploads at a time as it takes to fill the waiting, and a large one never keeps a small one waiting."""

import queue
import threading

import pytest

from recording_storage.domain.states import Product, RecordingState
from recording_storage.uploader.entry import Identity, Recording, StoredFacts
from recording_storage.uploader.lanes import MAX_CONCURRENCY, Lane
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
