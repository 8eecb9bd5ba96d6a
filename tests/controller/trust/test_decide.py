"""When an authority and a certificate are renewed, over a whole life, without a cluster."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from recording_storage.controller.trust.decide import Observed, Step, Validity, next_step

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """Takes each step as it is told, and notes when."""

    ca_life: timedelta
    leaf_life: timedelta
    look: timedelta
    now: datetime = START
    seen: Observed = field(default_factory=lambda: Observed(current=None))
    taken: list[tuple[Step, timedelta]] = field(default_factory=list)
    overlaps: list[timedelta] = field(default_factory=list)

    def run(self, duration: timedelta) -> None:
        until = self.now + duration
        while self.now < until:
            while step := next_step(self.seen, now=self.now):
                self._take(step)
            assert self.seen.current is not None
            assert self.seen.leaf is not None
            assert self.now < self.seen.leaf.ends <= self.seen.current.ends
            self.now += self.look

    def _take(self, step: Step) -> None:
        self.taken.append((step, self.now - START))
        seen, ca = self.seen, Validity(self.now, self.now + self.ca_life)
        if step is Step.BEGIN:
            self.seen = Observed(current=ca)
        elif step is Step.PREPARE:
            self.seen = replace(seen, coming=ca)
        elif step is Step.ANNOUNCED:
            self.seen = replace(seen, published=self.now)
        elif step is Step.TAKE_OVER:
            assert seen.published is not None
            self.overlaps.append(self.now - seen.published)
            self.seen = Observed(current=seen.coming)
        else:
            assert seen.current is not None
            self.seen = replace(seen, leaf=Validity(self.now, min(self.now + self.leaf_life, seen.current.ends)))

    def times(self, step: Step) -> list[timedelta]:
        return [time for each, time in self.taken if each is step]


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


LIVES = [
    pytest.param(seconds(180), seconds(60), seconds(1), id="as short as can be"),
    pytest.param(timedelta(days=3650), timedelta(days=90), timedelta(hours=1), id="as usual"),
    pytest.param(timedelta(days=270), timedelta(days=90), timedelta(hours=1), id="a third"),
]


@pytest.mark.parametrize(("ca", "leaf", "look"), LIVES)
def test_there_is_always_a_certificate_and_never_one_that_outlives_its_authority(
    ca: timedelta, leaf: timedelta, look: timedelta
) -> None:
    world = World(ca, leaf, look)
    world.run(ca * 3)
    assert len(world.times(Step.BEGIN)) == 1
    assert len(world.times(Step.TAKE_OVER)) >= 3


@pytest.mark.parametrize(("ca", "leaf", "look"), LIVES)
def test_the_next_authority_is_published_for_a_sixth_of_its_life_before_it_signs(
    ca: timedelta, leaf: timedelta, look: timedelta
) -> None:
    world = World(ca, leaf, look)
    world.run(ca * 2)
    assert world.overlaps
    assert min(world.overlaps) >= ca / 6


def test_a_certificate_is_renewed_minutes_before_two_thirds_of_its_life() -> None:
    leaf = Validity(START, START + timedelta(days=90))
    assert leaf.due == START + timedelta(days=60) - timedelta(minutes=5)


def test_a_short_one_has_an_eighth_of_its_life_for_the_way_of_its_files() -> None:
    assert Validity(START, START + seconds(60)).due == START + seconds(32.5)


def test_a_certificate_of_no_use_is_made_anew_at_once() -> None:
    current = Validity(START, START + timedelta(days=3650))
    assert next_step(Observed(current=current), now=START) is Step.ISSUE


def test_an_authority_that_has_ended_while_nobody_looked_is_followed_at_once() -> None:
    ended = Validity(START, START + seconds(10))
    coming = Validity(START, START + seconds(100))
    now = START + seconds(11)
    assert next_step(Observed(current=ended), now=now) is Step.BEGIN
    assert next_step(Observed(current=ended, coming=coming), now=now) is Step.TAKE_OVER
    assert next_step(Observed(current=ended, coming=coming), now=START + seconds(101)) is Step.BEGIN


def test_what_nobody_can_have_learnt_of_does_not_sign() -> None:
    current = Validity(START, START + seconds(180))
    coming = Validity(START + seconds(100), START + seconds(280))
    leaf = Validity(START + seconds(100), START + seconds(160))
    unpublished = Observed(current=current, coming=coming, leaf=leaf)
    assert next_step(unpublished, now=START + seconds(150)) is Step.ANNOUNCED
    published = replace(unpublished, published=START + seconds(105))
    assert next_step(published, now=START + seconds(130)) is None
    assert next_step(published, now=START + seconds(135)) is Step.TAKE_OVER
