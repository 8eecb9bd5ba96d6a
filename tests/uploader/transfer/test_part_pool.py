"""All destinations send parts from one pool: what it holds is bounded, and none of them keeps another from sending."""

import errno
import threading
from collections.abc import Callable
from mmap import mmap

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from recording_storage.s3.types import Part
from recording_storage.uploader.transfer import part_pool, resume
from recording_storage.uploader.transfer.part_pool import MOST, PartPool, PartShare
from recording_storage.uploader.transfer.task import StoppedError
from tests.waiting import SOON

NOW = threading.Event()
"""A stop that is set: who would have to wait gives up instead."""
NOW.set()
DESTINATIONS = 20
COUNT = part_pool.SHARED // resume.PART_SIZE
PART_SIZE = 1024
"""Bytes, of the parts here."""
SHARED = COUNT * PART_SIZE


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_pool, "PART_SIZE", PART_SIZE)
    monkeypatch.setattr(part_pool, "SHARED", SHARED)


def take_all(share: PartShare, size: int = PART_SIZE) -> list[mmap]:
    """As many buffers as it may have now."""
    held = []
    while True:
        try:
            held.append(share.take(size, stop=NOW))
        except StoppedError:
            return held


def test_a_destination_alone_fills_one_while_four_are_sent() -> None:
    assert [len(buffer) for buffer in take_all(PartPool().share())] == [PART_SIZE] * 5


def test_large_files_to_twenty_destinations_hold_little_more_than_those_to_a_few() -> None:
    pool = PartPool()
    held = [take_all(pool.share()) for _ in range(DESTINATIONS)]
    assert all(held), "each sends"
    assert sum(map(len, held)) < COUNT + DESTINATIONS
    assert pool.size == sum(len(buffer) for buffers in held for buffer in buffers)


def test_those_that_hang_with_all_there_is_keep_nobody_from_sending() -> None:
    pool = PartPool()
    hung = [take_all(pool.share()) for _ in range(3)]
    assert sum(map(len, hung)) == COUNT
    another = pool.share()
    for _ in range(10):
        another.give_back(another.take(PART_SIZE, stop=NOW))


def test_one_that_has_all_it_may_waits_for_its_own() -> None:
    share = PartPool().share()
    held = take_all(share)
    assert len(held) == MOST
    served = threading.Event()

    def wait() -> None:
        share.take(PART_SIZE, stop=threading.Event())
        served.set()

    threading.Thread(target=wait, daemon=True).start()
    assert not served.is_set()
    share.give_back(held.pop())
    assert served.wait(SOON)


def test_what_one_gives_back_goes_to_whoever_waits() -> None:
    pool = PartPool()
    greedy = [pool.share() for _ in range(3)]
    held = [take_all(share) for share in greedy]
    waiting, served = pool.share(), threading.Event()
    waiting.take(PART_SIZE, stop=NOW)

    def wait() -> None:
        waiting.take(PART_SIZE, stop=threading.Event())
        served.set()

    threading.Thread(target=wait, daemon=True).start()
    for share, buffers in zip(greedy, held, strict=True):
        for buffer in buffers:
            share.give_back(buffer)
    assert served.wait(SOON)


def test_buffers_are_used_again_and_freed_when_idle() -> None:
    pool = PartPool()
    one, another = pool.share(), pool.share()
    first = one.take(PART_SIZE, stop=NOW)
    one.give_back(first)
    assert another.take(PART_SIZE, stop=NOW) is first
    another.give_back(first)
    assert pool.size == PART_SIZE
    pool.trim()
    assert pool.size == 0


def test_parts_of_a_server_that_takes_few_of_them_count_by_their_bytes() -> None:
    pool = PartPool()
    huge, other = pool.share(), pool.share()
    held = take_all(huge, 5 * PART_SIZE)
    assert sum(map(len, held)) <= SHARED
    assert take_all(other, 5 * PART_SIZE), "its first it has in any case"
    for buffer in held:
        huge.give_back(buffer)
    assert pool.size == 5 * PART_SIZE, "none of them is kept"


def test_memory_that_is_not_there_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> mmap:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    pool = PartPool()
    share = pool.share()
    monkeypatch.setattr(part_pool.__name__ + ".mmap", none)
    with pytest.raises(OSError, match="allocate"):
        share.take(PART_SIZE, stop=NOW)
    monkeypatch.undo()
    assert (pool.size, len(take_all(share))) == (0, MOST)


PART = Part(1, 5, "etag")


def _fail() -> Part:
    raise ConnectionResetError


def _cannot_start(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize(("work", "error"), [(lambda: PART, None), (_fail, ConnectionResetError)])
def test_what_comes_of_a_part_is_told_also_where_there_can_be_no_thread(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], Part], error: type[Exception] | None, *, threads: bool
) -> None:
    if not threads:
        monkeypatch.setattr(threading.Thread, "start", _cannot_start)
    future = PartPool().share().submit(work)
    if error is None:
        assert future.result(20) is PART
    else:
        assert isinstance(future.exception(20), error)


def test_parts_are_sent_beside_each_other_and_leave_no_thread() -> None:
    together = threading.Barrier(MOST)
    threads: list[threading.Thread] = []

    def send() -> Part:
        threads.append(threading.current_thread())
        together.wait(SOON)
        return PART

    share = PartPool().share()
    assert [future.result(20) for future in [share.submit(send) for _ in range(MOST)]] == [PART] * MOST
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


class Sending(RuleBasedStateMachine):
    """Any order of taking and giving back, of parts of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = PartPool()
        self.shares = [self.pool.share() for _ in range(4)]
        self.held: list[list[mmap]] = [[] for _ in self.shares]

    @rule(which=st.integers(0, 3), size=st.sampled_from([1, PART_SIZE, 2 * PART_SIZE, 13 * PART_SIZE]))
    def take(self, which: int, size: int) -> None:
        before = self.held[which]
        try:
            before.append(self.shares[which].take(size, stop=NOW))
        except StoppedError:
            assert before, "the first one is never waited for"
        else:
            assert len(before[-1]) >= size

    @precondition(lambda self: any(self.held))
    @rule(which=st.integers(0, 3), index=st.integers(0, 4))
    def give_back(self, which: int, index: int) -> None:
        if self.held[which]:
            buffers = self.held[which]
            self.shares[which].give_back(buffers.pop(index % len(buffers)))

    @rule()
    def trim(self) -> None:
        self.pool.trim()

    @invariant()
    def no_buffer_is_had_twice(self) -> None:
        all_of_them = [id(buffer) for buffers in self.held for buffer in buffers]
        assert len(set(all_of_them)) == len(all_of_them)

    @invariant()
    def bounded(self) -> None:
        assert all(len(buffers) <= MOST for buffers in self.held)
        sizes = [len(buffer) for buffers in self.held for buffer in buffers]
        firsts = sorted((max((len(buffer) for buffer in buffers), default=0) for buffers in self.held), reverse=True)
        assert sum(sizes) <= self.pool.size <= SHARED + sum(firsts)


TestSending = Sending.TestCase
TestSending.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
