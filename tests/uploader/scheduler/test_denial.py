"""A bucket that denies access: held, probed, and nothing is ended before the denial has lasted."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from recording_storage.domain.denial import LEAST_DENIED
from recording_storage.domain.policy import DEFAULT_DENIAL_GRACE as GRACE
from recording_storage.domain.policy import DEFAULT_RETRY_WINDOW
from recording_storage.uploader.core.destination_state import LaneState
from recording_storage.uploader.scheduler.health import MOST_PROBE
from tests.field.actions import refuse
from tests.field.exchange import Exchange, Operation, is_recording
from tests.field.server import FieldServer
from tests.uploader.scheduler.test_outage import put_many, the_lane
from tests.uploader.spools import FakeClock, Running, SpoolFolder
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow

TO_STORE = frozenset({Operation.PUT, Operation.BEGIN, Operation.PART, Operation.COMPLETE})
DENIED = refuse(403, "AccessDenied", "Access Denied")
PAUSE = GRACE / LEAST_DENIED


def policy(**fields: Any) -> str:
    return json.dumps(fields)


def delete(**fields: Any) -> str:
    return policy(fatalErrorPolicy="Delete", **fields)


def prove(running: Running, field_spool: SpoolFolder) -> None:
    field_spool.put("proof.wav")
    running.uploader.intake.rescan()
    running.await_states({"proof.wav": "released"})


def counters(running: Running) -> dict[str, float]:
    values = running.uploader.parts.counters.values()
    return {name: values[name] for name in ("parked", "rejected", "deleted")}


NOTHING_ENDED = {"parked": 0, "rejected": 0, "deleted": 0}


def pass_time(running: Running, clock: FakeClock, seconds: float) -> None:
    """Let it pass, and wait for what has come of the probes that are due by then."""
    end = clock.monotonic() + seconds
    while (left := end - clock.monotonic()) > 0:
        clock.advance(min(PAUSE, left))
        eventually(lambda: is_probed(running, clock), what="it is probed")
        assert running.uploader.scheduler.idle.wait(SOON)


def is_probed(running: Running, clock: FakeClock) -> bool:
    probe_at = the_lane(running).probe_at
    return not held(running) or (probe_at is not None and probe_at > clock.monotonic())


def await_all_released(running: Running, clock: FakeClock, names: Sequence[str]) -> None:
    """However often they are tried."""

    def go_on() -> bool:
        clock.advance(5)
        found = running.recordings()
        return all(name in found and found[name].state == "released" for name in names)

    eventually(go_on, what="they go on")


def held(running: Running) -> bool:
    return [lane.state for lane in running.uploader.scheduler.lanes.values()] == [LaneState.HELD]


def take(running: Running) -> None:
    running.uploader.intake.rescan()


@pytest.mark.parametrize("document", [policy(), delete()])
def test_a_denial_that_passes_ends_nothing(field: FieldServer, field_spool: SpoolFolder, document: str) -> None:
    field_spool.write_config(policy=document)
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        field.on(TO_STORE, DENIED)
        names = put_many(field_spool)
        take(running)
        found = running.await_states(dict.fromkeys(names, "held"))
        assert {one.error.code for one in found.values() if one.error is not None} == {"AccessDenied"}
        pass_time(running, clock, GRACE - 60)
        running.await_states(dict.fromkeys(names, "held"))
        field.mend()
        clock.advance(MOST_PROBE)
        running.await_states(dict.fromkeys(names, "released"))
        assert counters(running) == NOTHING_ENDED
    field_spool.check_all_stored()


@pytest.mark.parametrize("document", [policy(), delete()])
def test_one_denial_in_four_requests_ends_nothing(field: FieldServer, field_spool: SpoolFolder, document: str) -> None:
    field_spool.write_config(policy=document)
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        field.on(TO_STORE, DENIED, every=4)
        names = put_many(field_spool)
        take(running)

        await_all_released(running, clock, names)
        assert counters(running) == NOTHING_ENDED
    field_spool.check_all_stored()


def test_a_denied_list_or_abort_says_nothing_of_the_right_to_store(
    field: FieldServer, field_spool: SpoolFolder
) -> None:
    field_spool.write_config(policy=delete())
    field.on({Operation.LIST_UPLOADS, Operation.LIST_PARTS, Operation.ABORT}, DENIED)
    one = field.on({Operation.PUT, Operation.BEGIN}, DENIED, times=1, when=is_recording)
    names = put_many(field_spool)
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        assert one.met.wait(SOON)
        await_all_released(running, clock, names)
        assert counters(running) == NOTHING_ENDED


def test_retained_ones_are_told_and_come_back_by_themselves(field: FieldServer, field_spool: SpoolFolder) -> None:
    field.on(TO_STORE, DENIED)
    names = put_many(field_spool)
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        running.await_states(dict.fromkeys(names, "held"))
        pass_time(running, clock, GRACE + PAUSE)
        running.await_states(dict.fromkeys(names, "rejected"))
        assert counters(running) == {**NOTHING_ENDED, "rejected": len(names)}
        field_spool.put("late.wav")
        take(running)
        running.await_states({"late.wav": "rejected"})
        pass_time(running, clock, DEFAULT_RETRY_WINDOW)
        running.await_states(dict.fromkeys([*names, "late.wav"], "rejected"))
        field.mend()
        clock.advance(MOST_PROBE)
        running.await_states(dict.fromkeys([*names, "late.wav"], "released"))
    field_spool.check_all_stored()


def test_rejected_ones_come_back_after_a_restart(field: FieldServer, field_spool: SpoolFolder) -> None:
    field_spool.write_config(policy=policy(denialGrace="0s"))
    field.on(TO_STORE, DENIED)
    field_spool.put("a.wav")
    with field_spool.running(clock=FakeClock()) as running:
        running.await_states({"a.wav": "rejected"})
    field.mend()
    with field_spool.running(clock=FakeClock()) as running:
        running.await_states({"a.wav": "released"})
    field_spool.check_all_stored()


def test_delete_takes_those_that_were_denied_themselves_alone(field: FieldServer, field_spool: SpoolFolder) -> None:
    field_spool.write_config(policy=delete())
    clock = FakeClock()
    denied: set[str] = set()

    def note(exchange: Exchange) -> Any:
        denied.add(exchange.key)
        return DENIED(exchange)

    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        field.on(TO_STORE, note)
        names = put_many(field_spool)
        take(running)
        running.await_states(dict.fromkeys(names, "held"))
        field_spool.put("late.wav")
        take(running)
        names.append("late.wav")
        running.await_states({"late.wav": "held"})
        pass_time(running, clock, GRACE - PAUSE)
        running.await_states(dict.fromkeys(names, "held"))
        pass_time(running, clock, 2 * PAUSE)
        themselves = {one.path for one in running.recordings().values() if one.object_key in denied}
        assert 0 < len(themselves) < len(names)
        wanted = {name: "deleted" if name in themselves else "rejected" for name in names}
        running.await_states(wanted)
        eventually(lambda: field_spool.media() == sorted(set(names) - themselves), what="the others are gone")
        field.mend()
        clock.advance(MOST_PROBE)
        running.await_states({name: "deleted" if name in themselves else "released" for name in names})


def test_without_a_grace_each_is_deleted_when_it_is_denied(field: FieldServer, field_spool: SpoolFolder) -> None:
    field_spool.write_config(policy=delete(denialGrace=0))
    with field_spool.running(clock=FakeClock()) as running:
        prove(running, field_spool)
        field.on(TO_STORE, DENIED)
        names = put_many(field_spool)
        take(running)
        running.await_states(dict.fromkeys(names, "deleted"))
        eventually(lambda: field_spool.media() == [], what="nothing is left")
        field.mend()
        field_spool.put("after.wav")
        take(running)
        running.await_states({"after.wav": "released"})


@pytest.mark.parametrize("document", [delete(), delete(denialGrace=0)])
def test_nothing_is_deleted_where_nothing_was_ever_stored(
    field: FieldServer, field_spool: SpoolFolder, document: str
) -> None:
    field_spool.write_config(policy=document)
    field.on(TO_STORE, DENIED)
    names = put_many(field_spool)
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        eventually(lambda: len(running.recordings()) == len(names), what="all are found")
        eventually(lambda: held(running), what="they are held")
        pass_time(running, clock, 2 * GRACE)
        running.await_states(dict.fromkeys(names, "rejected"))
        assert field_spool.media() == names


@pytest.mark.parametrize("document", [policy(), delete(), delete(denialGrace=0)])
def test_videos_wait_for_the_whole_retry_window(field: FieldServer, field_spool: SpoolFolder, document: str) -> None:
    field_spool.write_config(policy=document)
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        field.on(TO_STORE, DENIED)
        (field_spool.root / "a.mkv.recording.json").write_text(json.dumps({"type": "video"}))
        field_spool.put("a.mkv")
        take(running)
        running.await_states({"a.mkv": "held"})
        pass_time(running, clock, DEFAULT_RETRY_WINDOW - PAUSE)
        running.await_states({"a.mkv": "held"})
        pass_time(running, clock, PAUSE + MOST_PROBE)
        running.await_states({"a.mkv": "deleted" if "Delete" in document else "rejected"})


def test_one_recording_that_is_denied_alone_is_tried_again_and_parked_in_the_end(
    field: FieldServer, field_spool: SpoolFolder
) -> None:
    field_spool.write_config(policy=delete())
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        field_spool.put("b.wav")
        bad: list[str] = []

        def deny_the_first(exchange: Exchange) -> Any:
            bad[:] = bad or [exchange.key]
            return DENIED(exchange) if exchange.key == bad[0] else None

        field.on(Operation.PUT, deny_the_first)
        take(running)
        one = running.await_states({"b.wav": "waiting"})["b.wav"]
        field_spool.put("c.wav")
        take(running)
        running.await_states({"c.wav": "released"})
        while one.state == "waiting":
            assert one.retry_at is not None
            clock.advance(max(one.retry_at - clock.now(), 0.0) + 0.001)
            one = running.await_attempt("b.wav", after=one.attempts)
        assert one.state == "parked"
        assert clock.monotonic() - 1000 >= GRACE
        assert one.error is not None
        assert one.error.code == "AccessDenied"
        running.await_states({"c.wav": "released"})


def test_another_key_pair_begins_the_evidence_anew(field: FieldServer, field_spool: SpoolFolder) -> None:
    field_spool.write_config(policy=delete())
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        field.on(TO_STORE, DENIED)
        field_spool.put("a.wav")
        take(running)
        running.await_states({"a.wav": "held"})
        pass_time(running, clock, GRACE - 60)
        field_spool.write_config(secret_key="another-one", policy=delete())
        pass_time(running, clock, GRACE - 60)
        running.await_states({"a.wav": "held"})
