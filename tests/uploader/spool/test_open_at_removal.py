"""A stored file that somebody has open is not removed until it is closed; if it is written to meanwhile, it stays."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recording_storage.uploader.core.recording import Reason, Recording
from recording_storage.uploader.spool import release, removal
from tests.uploader.open_elsewhere import Holder, give_no_leases, lose_events, show_nobody
from tests.uploader.spools import FakeClock, Running, SpoolFolder
from tests.waiting import SOON

pytestmark = pytest.mark.slow

LONGER = 400
"""Seconds; more than any pause between two tries."""
WAYS = {"known by a refused lease": ">>", "seen to be opened": "<"}
"""How somebody has it open: without leases nobody can tell whether for reading or for writing."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the file is opened."""
    if WAYS[request.param] == "<":
        give_no_leases(monkeypatch)
    return WAYS[request.param]


def is_in_use(one: Recording) -> bool:
    return one.error is not None and one.error.code == Reason.NOT_REMOVABLE


@contextmanager
def opened_at(
    spool: SpoolFolder, monkeypatch: pytest.MonkeyPatch, way: str, *, point: str
) -> Iterator[tuple[Running, FakeClock, Holder]]:
    """An uploader that found a stored file open when it was about to remove it; and who has it open."""
    clock = FakeClock()
    holders: list[Holder] = []

    def passed(name: str) -> None:
        if name == point and not holders:
            holders.append(Holder(spool.root / "a.wav", way))

    monkeypatch.setattr(release, "fault_point", passed)
    monkeypatch.setattr(removal, "fault_point", passed)
    with spool.running(clock=clock) as running:
        assert running.uploader.intake.scanned.wait(SOON)
        (spool.root / "a.wav.done").touch()
        spool.put("a.wav")
        one = running.await_recording("a.wav", is_in_use)
        assert one.state == "reported"
        assert one.error is not None
        assert "somebody has it open" in one.error.message
        assert one.retry_at is not None
        yield running, clock, holders[0]


@pytest.mark.parametrize("point", ["before-release", "marker-removed"])
def test_it_stays_reported_and_goes_after_the_close(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, way: str, point: str
) -> None:
    with opened_at(quick, monkeypatch, way, point=point) as (running, clock, holder):
        before = running.recordings()["a.wav"]
        clock.advance(LONGER)
        again = running.await_recording("a.wav", lambda one: one.failures > before.failures)
        assert (again.state, again.seq) == ("reported", before.seq), "nothing new is told of another try"
        assert quick.media() == ["a.wav"]
        holder.close()
        clock.advance(LONGER)
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_it_is_moved_aside_only_once(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened_at(quick, monkeypatch, way, point="before-release") as (running, clock, holder):
        for failures in (2, 3):
            clock.advance(LONGER)
            running.await_recording("a.wav", lambda one, wanted=failures: one.failures >= wanted)
        holder.close()
    assert caplog.text.count("was moved aside") == 1
    assert caplog.text.count("not removed yet") == 1


def test_it_is_tried_again_at_the_next_start(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    with opened_at(quick, monkeypatch, way, point="before-release") as (_, _, holder):
        pass
    holder.close()
    with quick.running() as running:
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_who_opened_it_before_a_restart_is_waited_for(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Without a lease only if he is seen: a process that has it open for writing is."""
    path = quick.root / "a.wav"
    with opened_at(quick, monkeypatch, way, point="before-release") as (_, _, holder):
        recorder = Holder(path, ">>")
    holder.close()
    clock = FakeClock()
    with quick.running(clock=clock) as running:
        before = running.await_recording("a.wav", is_in_use)
        clock.advance(LONGER)
        running.await_recording("a.wav", lambda one: one.failures > before.failures)
        assert quick.media() == ["a.wav"]
        recorder.close()
        clock.advance(LONGER)
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_who_opened_it_before_events_were_lost_is_waited_for(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    show_nobody(monkeypatch)
    with opened_at(quick, monkeypatch, way, point="before-release") as (running, clock, holder):
        before = running.recordings()["a.wav"]
        lose_events(running.uploader.intake)
        clock.advance(LONGER)
        running.await_recording("a.wav", lambda one: one.failures > before.failures)
        assert quick.media() == ["a.wav"]
        holder.close()
        (quick.root / "a.wav.done").touch()  # a reader's close is counted for nobody
        clock.advance(LONGER)
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_what_is_written_to_it_meanwhile_is_never_removed(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    path = quick.root / "a.wav"
    with opened_at(quick, monkeypatch, way, point="before-release") as (running, clock, holder):
        with path.open("ab") as more:
            more.write(b"more")
        holder.close()
        clock.advance(LONGER)
        parked = running.await_states({"a.wav": "parked"})["a.wav"]
        assert parked.error is not None
        assert parked.error.code == Reason.CHANGED_AFTER_UPLOAD
    assert path.read_bytes() == quick.contents["a.wav"] + b"more"
    assert len(quick.receipts) == 1
