"""A destination's client goes after a long rest, and only then: whatever is still to be done keeps it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import Proof
from recording_storage.uploader.core.destination_state import LaneState
from recording_storage.uploader.core.recording import EntryError
from recording_storage.uploader.scheduler.destination import Lane
from recording_storage.uploader.scheduler.idle_resources import EVERY, REST, IdleResources
from recording_storage.uploader.transfer.checksum_trust import ChecksumTrust
from recording_storage.uploader.transfer.part_pool import PartPool
from recording_storage.uploader.transfer.task import Outcome
from recording_storage.uploader.transfer.upload_slots import UploadSlots
from tests.uploader.spools import FakeClock
from tests.uploader.transfer.test_worker_pool import task

KEY = ("AC1", "d")
TROUBLE = EntryError("hold", "NoSuchBucket", "there is no bucket")


class Site:
    """One destination, and whether the plan in force names it and recordings are left for it."""

    def __init__(self, *, named: bool = True, live: bool = True, empty: bool = True) -> None:
        self.clock = FakeClock()
        self.closed = 0
        plan = SimpleNamespace(destinations={"d": None} if named else {})
        plans = SimpleNamespace(live=live, plan=lambda _account: plan)
        self.pool = PartPool()
        self.resting = IdleResources(
            SimpleNamespace(clock=self.clock, plans=plans),  # type: ignore[arg-type]
            pool=self.pool,
            backlog=SimpleNamespace(is_empty=lambda _lane: empty),  # type: ignore[arg-type]
        )
        self.lane = Lane(
            KEY,
            perform=lambda *_: Outcome(task(1, size=1)),
            done=lambda *_: None,
            slots=UploadSlots(1, most_lent=0, clock=self.clock),
            share=self.pool.share(),
            trust=ChecksumTrust(lambda *_: Proof(voucher=None), clock=self.clock),
        )
        self.lane.store = SimpleNamespace(close=self._close)  # type: ignore[assignment]
        self.lane.hungry = False
        self.lanes = {KEY: self.lane}

    def _close(self) -> None:
        self.closed += 1

    def let_pass(self, seconds: float) -> None:
        for _ in range(int(seconds / EVERY)):
            self.clock.advance(EVERY)
            self.resting.look(self.lanes)


def test_it_goes_after_a_rest_once() -> None:
    site = Site()
    site.let_pass(REST)
    assert site.closed == 0
    site.let_pass(REST)
    assert (site.closed, site.lane.store) == (1, None)
    assert site.lanes, "it is in the plan"


BUSY: dict[str, Callable[[Lane], Any]] = {
    "the journal may have work": lambda lane: setattr(lane, "hungry", True),
    "a retry is due later": lambda lane: setattr(lane, "retry_due", 1e12),
    "failures wait for an answer": lambda lane: lane.limbo.append(Outcome(task(1, size=1))),
    "it is asked": lambda lane: lane.become(LaneState.CHECKING),
    "it fails": lambda lane: lane.become(LaneState.FAILING, error=TROUBLE),
    "it is held": lambda lane: lane.become(LaneState.HELD, error=TROUBLE),
    "a failure is to be judged": lambda lane: setattr(
        lane, "suspicion", S3Failure(FailureClass.TRANSIENT, code="x", message="x")
    ),
}


@pytest.mark.parametrize("why", BUSY)
def test_what_is_to_be_done_keeps_it(why: str) -> None:
    site = Site(named=False)
    BUSY[why](site.lane)
    site.let_pass(3 * REST)
    assert (site.closed, set(site.lanes)) == (0, {KEY})


def test_work_begins_the_rest_anew() -> None:
    site = Site()
    site.let_pass(REST)
    site.lane.put([])
    site.let_pass(REST)
    assert site.closed == 0


@pytest.mark.parametrize(
    ("facts", "goes"),
    [
        ({"named": False}, True),
        ({"named": True}, False),
        ({"named": False, "empty": False}, False),
        ({"named": False, "live": False}, False),
    ],
)
def test_a_lane_goes_only_where_no_plan_in_force_and_no_recording_names_it(
    facts: dict[str, bool], *, goes: bool
) -> None:
    site = Site(**facts)
    site.let_pass(2 * REST)
    assert (not site.lanes) is goes
