"""A watch that brings nothing is begun ever more rarely, whatever refuses it; one that works is begun at once."""

import pytest

from recording_storage.controller.core.watch_backoff import WatchBackoff


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begin(pauses: WatchBackoff, clock: Clock) -> float:
    pause = pauses.next()
    clock.time += pause
    return pause


def test_it_grows_up_to_a_bound(clock: Clock) -> None:
    pauses = WatchBackoff(clock=clock)
    found = [begin(pauses, clock) for _ in range(10)]
    assert found[:4] == [0.0, 0.2, 0.4, 0.8]
    assert found[-1] == 15.0


def test_ends_at_once_for_20_seconds_are_a_dozen_requests(clock: Clock) -> None:
    pauses, begun = WatchBackoff(clock=clock), 0
    while clock.time < 20:
        begin(pauses, clock)
        begun += 1
    assert begun < 12


def test_an_event_forgives(clock: Clock) -> None:
    pauses = WatchBackoff(clock=clock)
    for _ in range(5):
        begin(pauses, clock)
    pauses.event()
    assert [begin(pauses, clock) for _ in range(2)] == [0.0, 0.2]


def test_a_watch_that_has_lasted_forgives(clock: Clock) -> None:
    pauses = WatchBackoff(clock=clock)
    for _ in range(5):
        begin(pauses, clock)
    clock.time += 30
    assert begin(pauses, clock) == 0.0
