"""A destination that fails is probed for all the recordings that wait for it."""

import json

import pytest
from click.testing import CliRunner

from recording_storage.cli.main import main
from recording_storage.domain.failures import FailureClass, S3Failure
from recording_storage.uploader.core.destination_state import LaneState
from recording_storage.uploader.scheduler.destination import TROUBLE_AFTER, Lane
from recording_storage.uploader.scheduler.health import FEW, MOST_WHILE_FAILING
from recording_storage.uploader.transfer.worker_pool import MAX_CONCURRENCY
from tests.s3.gate import Gate
from tests.uploader.spools import FakeClock, Running, SpoolFolder
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow
HOUR = 3600.0
MANY = 30


def the_lane(running: Running) -> Lane:
    (lane,) = running.uploader.scheduler.lanes.values()
    return lane


def await_failing(running: Running, names: list[str]) -> None:
    running.await_states(dict.fromkeys(names, "waiting"))
    # after a restart, the states are there before the scheduler has looked at them
    eventually(
        lambda: [lane.state for lane in running.uploader.scheduler.lanes.values()] == [LaneState.FAILING],
        what="it fails",
    )
    assert running.uploader.scheduler.idle.wait(SOON)


def probed(running: Running, clock: FakeClock, *, after: float = MOST_WHILE_FAILING) -> None:
    """Let time pass, and wait for what the probe that is due by then has led to."""
    assert running.uploader.scheduler.idle.wait(SOON)  # amid a look, the next probe would be due after this time, too
    lane = the_lane(running)
    before = lane.probes
    clock.advance(after)
    eventually(lambda: lane.probes != before, what="it was probed")
    assert running.uploader.scheduler.idle.wait(SOON)


def put_many(spool: SpoolFolder, *, count: int = MANY) -> list[str]:
    names = [f"{number:03}.wav" for number in range(count)]
    for name in names:
        spool.put(name)
    return names


def failures(running: Running) -> float:
    return running.uploader.parts.counters.values()["failures"]


def test_an_outage_is_probed_and_what_waits_goes_on_when_it_ends(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    names = put_many(gated)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        await_failing(running, names)
        tried = failures(running)
        assert tried >= TROUBLE_AFTER
        for _ in range(10):
            probed(running, clock)
        gated.put("late.wav")
        running.uploader.intake.rescan()
        late = running.await_states({"late.wav": "waiting"})["late.wav"]
        assert failures(running) == tried, "no recording is tried meanwhile"
        assert late.attempts == 0
        assert late.error is not None
        assert late.error.kind == "transient"
        assert late.failing_since is not None
        for one in running.recordings().values():
            assert one.retry_at is not None
            assert 0 <= one.retry_at - clock.now() <= MOST_WHILE_FAILING
        assert running.uploader.view.status().destinations[0].state == "failing"
        door.open()
        clock.advance(MOST_WHILE_FAILING)
        running.await_states(dict.fromkeys([*names, "late.wav"], "released"))
        assert the_lane(running).state is LaneState.OK
        assert not the_lane(running).is_doubted
    gated.check_all_stored()


def test_those_whose_window_passes_meanwhile_are_parked_in_time(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    names = put_many(gated)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        await_failing(running, names)
        probed(running, clock, after=HOUR)
        gated.put("late.wav")
        running.uploader.intake.rescan()
        running.await_states({"late.wav": "waiting"})
        assert running.uploader.scheduler.idle.wait(SOON)
        probed(running, clock, after=HOUR - 10)
        running.await_states(dict.fromkeys([*names, "late.wav"], "waiting"))
        probed(running, clock, after=11)
        found = running.await_states({**dict.fromkeys(names, "parked"), "late.wav": "waiting"})
        for name in names:
            error = found[name].error
            assert error is not None
            assert error.message.startswith("the retry window has passed; ")
            assert "try again later" in error.message, "why is said too"
        assert running.uploader.parts.counters.values()["parked"] == MANY
        probed(running, clock, after=HOUR)
        running.await_states({"late.wav": "parked"})
        door.open()
        running.uploader.view.retry(None)
        running.await_states(dict.fromkeys([*names, "late.wav"], "released"))
    gated.check_all_stored()


def test_a_window_that_is_shorter_than_the_pause_between_probes_ends_in_time(gated: SpoolFolder, door: Gate) -> None:
    gated.write_config(policy=json.dumps({"retryWindow": "20s"}))
    door.refuse()
    names = put_many(gated)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        await_failing(running, names)
        lane = the_lane(running)
        lane.probes = 20  # the pauses are long by now
        probed(running, clock, after=21)
        running.await_states(dict.fromkeys(names, "parked"))
        gated.put("late.wav")
        running.uploader.intake.rescan()
        running.await_states({"late.wav": "waiting"})
        assert lane.probe_at is not None
        assert lane.probe_at - clock.monotonic() <= 20


def test_a_probe_that_promises_too_much_leads_to_a_few_tries_now_and_then(gated: SpoolFolder, door: Gate) -> None:
    """The verify sequence passes, and each recording fails."""
    door.answer(r"^PUT .*\.wav", 500, code="InternalError", times=10**6)
    names = put_many(gated)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        await_failing(running, names)
        tried = failures(running)
        rounds = 6
        for count in range(1, rounds + 1):
            probed(running, clock)
            await_failing(running, names)
            assert the_lane(running).probes == count, "the pauses go on growing"
        assert rounds <= failures(running) - tried <= rounds * MAX_CONCURRENCY
        door.clear()
        clock.advance(MOST_WHILE_FAILING)
        running.await_states(dict.fromkeys(names, "released"))
        assert the_lane(running).probes == 0
    gated.check_all_stored()


def test_a_probe_that_promises_too_much_delays_the_end_of_no_window(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^PUT .*\.wav", 500, code="InternalError", times=10**6)
    names = put_many(gated, count=3 * MAX_CONCURRENCY)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        await_failing(running, names)
        for _ in range(11):
            probed(running, clock, after=600)
            await_failing(running, names)
        clock.advance(601)
        found = running.await_states(dict.fromkeys(names, "parked"))
        for name in names:
            error = found[name].error
            assert error is not None
            assert error.code == "InternalError"
            assert error.message.startswith("the retry window has passed; ")


def test_recordings_that_are_at_fault_themselves_do_not_stand_in_the_way(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^PUT .*/REbad", 500, code="InternalError", times=10**6)
    bad = [f"bad-{number:03}.wav" for number in range(3 * MAX_CONCURRENCY)]
    for number, name in enumerate(bad):
        gated.put(name, 10)
        (gated.root / f"{name}.recording.json").write_text(json.dumps({"recording_sid": f"REbad{number:029x}"}))
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        await_failing(running, bad)
        gated.put("good.wav", 5000)
        running.uploader.intake.rescan()
        running.await_states({"good.wav": "waiting"})
        clock.advance(MOST_WHILE_FAILING)
        running.await_states({"good.wav": "released"})


def test_a_retry_that_somebody_asks_for_is_tried_at_once(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    names = put_many(gated)
    with gated.running(clock=FakeClock()) as running:
        await_failing(running, names)
        tried = failures(running)
        asked = running.recordings()[names[-1]]
        running.uploader.view.retry([asked.sid])
        eventually(lambda: failures(running) > tried, what="it was tried again")
        await_failing(running, names)  # in vain
        assert running.recordings()[names[-1]].attempts > asked.attempts
        door.open()
        running.uploader.view.retry([asked.sid])
        running.await_states(dict.fromkeys(names, "released"))  # no time has passed
    gated.check_all_stored()


def test_a_few_recordings_find_out_for_themselves(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    names = put_many(gated, count=FEW)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        found = running.await_states(dict.fromkeys(names, "waiting"))
        for _ in range(3):
            clock.advance(300)
            for name in names:
                running.await_attempt(name, after=found[name].attempts)
            found = running.recordings()
        assert the_lane(running).state is LaneState.OK
        gated.put("one more.wav")
        running.uploader.intake.rescan()
        await_failing(running, [*names, "one more.wav"])


def test_what_was_begun_before_the_outage_and_succeeds_ends_it(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    names = put_many(gated)
    with gated.running(clock=FakeClock()) as running:
        await_failing(running, names)
        door.open()
        running.uploader.scheduler.post(the_lane(running).succeeded)
        running.await_states(dict.fromkeys(names, "released"))
    gated.check_all_stored()


def test_a_restart_forgets_nothing_of_what_waits(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    names = put_many(gated)
    clock = FakeClock()
    with gated.running(clock=clock) as running:
        await_failing(running, names)
        since = running.recordings()[names[0]].failing_since
    clock.advance(MOST_WHILE_FAILING)
    with gated.running(clock=clock) as running:
        await_failing(running, names)
        assert running.recordings()[names[0]].failing_since == since
        door.open()
        clock.advance(MOST_WHILE_FAILING)
        running.await_states(dict.fromkeys(names, "released"))
    gated.check_all_stored()


def test_once_does_not_wait_for_the_end_of_an_outage(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    put_many(gated)
    assert gated.once().returncode == 3


def test_people_are_shown_which_destination_fails(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    put_many(gated)

    def shown() -> str:
        return CliRunner().invoke(main, ["status", "--spool", str(gated.root)]).stdout

    with gated.process():
        eventually(lambda: f"FAILING    {door.endpoint}" in shown(), what="people see it")


@pytest.mark.parametrize(
    ("kind", "code"),
    [(FailureClass.THROTTLED, "SlowDown"), (FailureClass.TRANSIENT, "Defect"), (FailureClass.FILE, "EntityTooLarge")],
)
def test_what_is_no_sign_of_an_outage(gated: SpoolFolder, kind: FailureClass, code: str) -> None:
    with gated.running(clock=FakeClock()) as running:
        gated.put("a.wav")
        running.uploader.intake.rescan()
        running.await_states({"a.wav": "released"})
        lane = the_lane(running)
        for _ in range(10):
            lane.failed(S3Failure(kind, code=code, message="x"))
        assert lane.suspicion is None
