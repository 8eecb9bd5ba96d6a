"""A destination that is held again and again, though the verify sequence finds nothing wrong."""

import os
import select
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.domain.proof import Proof
from recording_storage.protocol.plan import DestinationPlan
from recording_storage.s3.greenlets import is_ready
from recording_storage.s3.probe import Verification
from recording_storage.uploader.core.clock import SystemClock
from recording_storage.uploader.core.destination_state import LANE_MOVES, IllegalLaneMoveError, LaneState
from recording_storage.uploader.core.recording import EntryError
from recording_storage.uploader.scheduler.destination import Lane
from recording_storage.uploader.scheduler.health import MOST_PROBE, MOST_WHILE_FAILING, HealthChecks
from recording_storage.uploader.scheduler.worker import Worker
from recording_storage.uploader.transfer import concurrency
from recording_storage.uploader.transfer.checksum_trust import ChecksumTrust
from recording_storage.uploader.transfer.clients import S3Connections
from recording_storage.uploader.transfer.part_pool import PartPool
from recording_storage.uploader.transfer.task import Outcome, Task
from recording_storage.uploader.transfer.upload_slots import UploadSlots
from tests.s3.gate import Gate
from tests.uploader.scheduler.test_outage import MANY, await_failing, probed, put_many, the_lane
from tests.uploader.spools import FakeClock, Running, SpoolFolder
from tests.waiting import SOON, eventually

PAUSE = MOST_PROBE + 1
QUOTA = r"^PUT .*\.wav"


def nearly_the_window(running: Running, clock: FakeClock, names: Sequence[str]) -> None:
    """1 h 50 min of the two hours pass, with the destination held; it is probed many times."""
    for _ in range(22):
        probed(running, clock, after=PAUSE)
        running.await_states(dict.fromkeys(names, "held"))


@pytest.mark.slow
def test_a_quota_that_the_probe_does_not_see_parks_when_the_window_has_passed(gated: SpoolFolder, door: Gate) -> None:
    door.answer(QUOTA, 403, code="QuotaExceeded", times=10**6)
    names = [f"{number:03}.wav" for number in range(20)]
    for name in names:
        gated.put(name)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        running.await_states(dict.fromkeys(names, "held"))
        nearly_the_window(running, clock, names)
        probed(running, clock, after=PAUSE)
        gated.put("late.wav")
        running.uploader.intake.rescan()
        running.await_states({"late.wav": "held"})
        probed(running, clock, after=PAUSE)
        found = running.await_states({**dict.fromkeys(names, "parked"), "late.wav": "held"})
        for name in names:
            assert found[name].failures, "each had a real try"
            error = found[name].error
            assert error is not None
            assert error.code == "QuotaExceeded"
            assert error.message.startswith("the retry window has passed; ")
        door.clear()
        clock.advance(PAUSE)
        running.await_states({"late.wav": "released"})
        running.uploader.view.retry(None)
        running.await_states(dict.fromkeys(names, "released"))
    gated.check_all_stored()


@pytest.mark.slow
def test_one_network_error_after_a_long_hold_parks_nothing(gated: SpoolFolder, door: Gate) -> None:
    missing = door.answer(r"^", 404, code="NoSuchBucket", times=10**6)
    gated.put("a.wav")
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        running.await_states({"a.wav": "held"})
        nearly_the_window(running, clock, ["a.wav"])
        missing.times = 0
        door.answer(QUOTA, 500, code="InternalError", times=10**6)
        clock.advance(PAUSE)
        running.await_states({"a.wav": "waiting"})
        for _ in range(3):
            tried = running.recordings()["a.wav"].attempts
            clock.advance(301)
            assert running.await_attempt("a.wav", after=tried).state == "waiting"
        door.clear()
        clock.advance(301)
        running.await_states({"a.wav": "released"})


@pytest.mark.slow
def test_an_outage_after_a_long_hold_has_a_window_of_its_own_for_however_many(gated: SpoolFolder, door: Gate) -> None:
    missing = door.answer(r"^", 404, code="NoSuchBucket", times=10**6)
    names = put_many(gated)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        running.await_states(dict.fromkeys(names, "held"))
        nearly_the_window(running, clock, names)
        missing.times = 0
        door.answer(QUOTA, 500, code="InternalError", times=10**6)
        clock.advance(PAUSE)
        await_failing(running, names)
        for _ in range(11):
            probed(running, clock, after=600)
            await_failing(running, names)
        clock.advance(601)
        running.await_states(dict.fromkeys(names, "parked"))


@pytest.mark.slow
def test_what_has_waited_for_an_outage_to_end_has_a_try_before_it_is_parked(gated: SpoolFolder, door: Gate) -> None:
    """The outage ends with a quota that the probe does not see, shortly before the windows end."""
    door.refuse()
    names = put_many(gated)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        await_failing(running, names)
        late = [f"late-{number:03}.wav" for number in range(MANY)]
        for name in late:
            gated.put(name)
        running.uploader.intake.rescan()
        found = running.await_states(dict.fromkeys(late, "waiting"))
        assert [found[name].failures for name in late] == [0] * MANY, "none was tried"
        for _ in range(11):
            probed(running, clock, after=600)
        door.answer(QUOTA, 403, code="QuotaExceeded", times=10**6)
        door.open()
        clock.advance(MOST_WHILE_FAILING)
        running.await_states(dict.fromkeys([*names, *late], "held"))
        probed(running, clock, after=PAUSE)  # it seems to work, and is held again
        running.await_states(dict.fromkeys([*names, *late], "held"))
        clock.advance(PAUSE)
        while any(one.state != "parked" for one in running.recordings().values()):
            for one in running.recordings().values():
                assert one.state != "parked" or one.failures, "each had a real try"
            probed(running, clock, after=PAUSE)


@pytest.mark.slow
def test_what_is_parked_for_being_held_says_so(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^", 404, code="NoSuchBucket", times=10**6)
    gated.put("a.wav")
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        running.await_states({"a.wav": "held"})
        nearly_the_window(running, clock, ["a.wav"])
        clock.advance(2 * PAUSE)
        error = running.await_states({"a.wav": "parked"})["a.wav"].error
    assert error is not None
    assert error.code == "NoSuchBucket"
    assert error.message.startswith("the retry window has passed; ")


class Desk:
    """The scheduler, as far as health checks know it."""

    def __init__(self) -> None:
        self.posted: list[Any] = []
        self.settled: list[Outcome] = []

    def post(self, work: Any) -> None:
        self.posted.append(work)

    def settle(self, _lane: Lane, outcomes: Sequence[Outcome], *, confirmation: Any) -> None:
        assert confirmation
        self.settled += outcomes

    def hold(self, _lane: Lane) -> None:
        """Nothing is journalled here."""

    end_denied = hold


def health_checks_at(desk: Desk) -> tuple[HealthChecks, Lane]:
    parts = SimpleNamespace(
        clock=FakeClock(),
        source=SimpleNamespace(refresh=lambda **_: True),
        plans=SimpleNamespace(terms=lambda *_: None, live=True),
    )
    health = HealthChecks(parts, scheduler=desk, backlog=desk, dispatch=None)  # type: ignore[arg-type]
    lane = Lane(
        ("a", "d"),
        perform=lambda *_: None,  # type: ignore[arg-type,return-value]
        done=lambda *_: None,
        slots=UploadSlots(1, most_lent=0, clock=SystemClock()),
        share=PartPool().share(),
        trust=ChecksumTrust(lambda *_: Proof(voucher=None), clock=FakeClock()),
    )
    return health, lane


def refused() -> Outcome:
    task = Task(SimpleNamespace(sid="s"), "k", None)  # type: ignore[arg-type]
    return Outcome(task, failure=S3Failure(FailureClass.CREDENTIAL, code="x", message="x"))


GONE = EntryError("hold", "NoSuchBucket", "there is no bucket")


def test_a_refused_key_does_not_end_a_hold() -> None:
    """What was under way when the destination was held would leave it neither held nor probed."""
    desk = Desk()
    health, lane = health_checks_at(desk)
    health.hold(lane, GONE)
    health.checks.refresh(lane, [refused()])
    assert lane.state is LaneState.HELD
    assert lane.probe_at is not None
    assert [outcome.failure for outcome in desk.settled] == [None], "given back, to be held like the others"


def test_a_hold_that_comes_while_a_key_is_looked_up_stays() -> None:
    desk = Desk()
    health, lane = health_checks_at(desk)
    health.checks.refresh(lane, [refused()])
    health.hold(lane, GONE)
    eventually(lambda: bool(desk.posted), what="something is posted")
    desk.posted.pop()()
    assert lane.state is LaneState.HELD
    assert lane.probe_at is not None
    assert lane.limbo == []
    assert [outcome.failure for outcome in desk.settled] == [None]


def test_a_hold_loses_nothing_of_what_waits_for_an_answer() -> None:
    """One asks for the answer, one has it held, and one more comes: the first is given back with the answer."""
    desk = Desk()
    health, lane = health_checks_at(desk)
    first, late = refused(), refused()
    health.checks.refresh(lane, [first])
    health.hold(lane, GONE)
    health.checks.refresh(lane, [late])
    assert [outcome.task for outcome in desk.settled] == [late.task]
    eventually(lambda: bool(desk.posted), what="something is posted")
    desk.posted.pop()()
    assert [outcome.task for outcome in desk.settled] == [late.task, first.task]
    assert lane.limbo == []


def test_nothing_stays_uploading_when_a_hold_comes_between_a_question_and_its_answer(
    gated: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {"a.wav": FailureClass.FATAL, "b.wav": FailureClass.HOLD, "c.wav": FailureClass.FATAL}
    go, failed, answer = {name: os.eventfd(0) for name in kinds}, set[str](), threading.Event()
    perform, verify = Worker.perform, S3Connections.verify

    def fail_once(worker: Worker, lane: Lane, task: Task) -> Outcome:
        name = task.recording.path
        if name in failed:
            return perform(worker, lane, task)
        failed.add(name)
        credential = lane.terms and lane.terms.credential
        assert is_ready(go[name], select.POLLIN, seconds=SOON)
        return Outcome(
            task, credential, failure=S3Failure(kinds[name], code="Refused", message="no", operation="PutObject")
        )

    def answer_late(connections: S3Connections, terms: DestinationPlan) -> Verification:
        assert answer.wait(SOON)
        return verify(connections, terms)

    monkeypatch.setattr(concurrency, "FEWEST", len(kinds))  # all are under way together
    monkeypatch.setattr(Lane, "is_unlearnt", False)
    monkeypatch.setattr(Worker, "perform", fail_once)
    monkeypatch.setattr(S3Connections, "verify", answer_late)
    for name in kinds:
        gated.put(name)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        eventually(lambda: failed == set(kinds), what="each kind has failed")
        os.eventfd_write(go["a.wav"], 1)
        eventually(lambda: the_lane(running).state is LaneState.CHECKING, what="it is asked")
        os.eventfd_write(go["b.wav"], 1)
        eventually(lambda: the_lane(running).state is LaneState.HELD, what="it is held")
        os.eventfd_write(go["c.wav"], 1)
        running.await_states({"a.wav": "uploading", "b.wav": "held", "c.wav": "held"})
        answer.set()
        running.await_states(dict.fromkeys(kinds, "held"))
        clock.advance(PAUSE)
        running.await_states(dict.fromkeys(kinds, "released"))


def test_a_destination_moves_as_its_table_says() -> None:
    for before, allowed in LANE_MOVES.items():
        for after in LaneState:
            _, lane = health_checks_at(Desk())
            lane.state = before
            if after is before or after in allowed:
                lane.become(after)
                assert lane.state is after
            else:
                with pytest.raises(IllegalLaneMoveError):
                    lane.become(after)
