"""The second look where no lease can be had: whoever was seen to open a file again is waited for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recording_storage.s3.client import S3Client
from recording_storage.s3.probe import PROBE_NAME
from recording_storage.uploader.core.recording import Reason, Recording
from tests.s3.gate import Gate
from tests.uploader.open_elsewhere import Holder, events_lost, give_no_leases, lose_events, show_nobody
from tests.uploader.spools import MIB, FakeClock, Running, SpoolFolder
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow
SIZES = pytest.mark.parametrize("size", [1000, 12 * MIB], ids=["small", "large"])
MARKED = pytest.mark.parametrize("marked", [False, True], ids=["closed", "marked"])
MORE = b"after the hold"


@pytest.fixture(autouse=True)
def no_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    give_no_leases(monkeypatch)


def is_in_use(one: Recording) -> bool:
    return one.error is not None and one.error.code == Reason.CHANGED_WHILE_UPLOADING


def found_in_an_outage(running: Running, spool: SpoolFolder, size: int, *, marked: bool) -> None:
    """A finished file that waits for its destination."""
    assert running.uploader.intake.scanned.wait(SOON)
    spool.put("a.wav", size)
    if marked:
        (spool.root / "a.wav.done").touch()
    running.await_states({"a.wav": "waiting"})


def waits_for_the_recorder(running: Running, spool: SpoolFolder, recorder: Holder, *, marked: bool = False) -> None:
    """Nothing is sent while the recorder has it open; all of it is once that has written more and closed it."""
    attempts = running.await_recording("a.wav", is_in_use).attempts
    running.rescan(times=3)
    assert running.recordings()["a.wav"].attempts == attempts, "it is not tried while the file is open"
    assert spool.bucket.keys() == []
    assert spool.bucket.uploads() == []
    recorder.close(MORE)
    spool.contents["a.wav"] += MORE
    if marked:
        (spool.root / "a.wav.done").touch()
    running.await_states({"a.wav": "released"})


@SIZES
@MARKED
def test_no_half_is_stored_after_an_outage(gated: SpoolFolder, door: Gate, size: int, *, marked: bool) -> None:
    door.refuse()
    with gated.running(marker_only=marked) as running:
        found_in_an_outage(running, gated, size, marked=marked)
        recorder = Holder(gated.root / "a.wav", ">>")
        door.open()
        running.uploader.view.retry(None)
        waits_for_the_recorder(running, gated, recorder, marked=marked)
    gated.check_all_stored()


def rename(folder: Path) -> Path:
    return (folder / "a.wav").rename(folder / "b.wav")


def mark_anew(folder: Path) -> Path:
    (folder / "a.wav.done").touch()
    return folder / "a.wav"


@pytest.mark.parametrize("first", [rename, mark_anew])
def test_nor_of_what_is_renamed_or_marked_anew_and_then_opened_while_it_is_sent(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, first: Callable[[Path], Path]
) -> None:
    recorders: list[Holder] = []
    send_part = S3Client.upload_part

    def with_the_first_part(self: S3Client, key: str, **named: Any) -> Any:
        if PROBE_NAME not in key and named["number"] == 1 and not recorders:
            recorders.append(Holder(first(quick.root), ">>"))
        return send_part(self, key, **named)

    monkeypatch.setattr(S3Client, "upload_part", with_the_first_part)
    with quick.running() as running:
        assert running.uploader.intake.scanned.wait(SOON)
        quick.put("a.wav", 12 * MIB)
        eventually(lambda: any(map(is_in_use, running.uploader.view.recordings())), what="it is in use")
        assert quick.bucket.keys() == []
        recorders[0].close(MORE)
        if first is mark_anew:
            mark_anew(quick.root)
        eventually(
            lambda: all(one.state == "released" for one in running.uploader.view.recordings()), what="all are released"
        )
    assert list(map(quick.bucket.read, quick.bucket.keys())) == [quick.contents["a.wav"] + MORE]
    assert quick.media() == []


@MARKED
def test_a_reader_holds_it_up_until_he_closes(gated: SpoolFolder, door: Gate, *, marked: bool) -> None:
    """Nobody can tell him from a writer."""
    door.refuse()
    with gated.running(marker_only=marked) as running:
        found_in_an_outage(running, gated, 1000, marked=marked)
        reader = Holder(gated.root / "a.wav", "<")
        door.open()
        running.uploader.view.retry(None)
        running.await_recording("a.wav", is_in_use)
        eventually(lambda: bool(running.uploader.intake.unfinished()), what="it is not taken")
        [(path, why)] = running.uploader.intake.unfinished()
        assert path == "a.wav"
        assert "somebody has opened it" in why
        reader.close()
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()


def test_a_marker_that_is_made_anew_has_the_last_word(gated: SpoolFolder, door: Gate) -> None:
    clock = FakeClock()
    door.refuse()
    with gated.running(marker_only=True, clock=clock) as running:
        found_in_an_outage(running, gated, 1000, marked=True)
        reader = Holder(gated.root / "a.wav", "<")
        door.open()
        running.uploader.view.retry(None)
        running.await_recording("a.wav", is_in_use)
        eventually(lambda: bool(running.uploader.intake.unfinished()), what="it is not taken")
        (gated.root / "a.wav.done").unlink()
        (gated.root / "a.wav.done").touch()
        # It is removed once it is closed: it was tried, and is again later.
        running.await_recording("a.wav", lambda one: one.error is not None and one.error.code == Reason.NOT_REMOVABLE)
        reader.close()
        clock.advance(400)
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()


def test_who_had_it_open_before_its_marker_holds_nothing_up(gated: SpoolFolder, door: Gate) -> None:
    """Not after an outage, either: what the uploader itself opened and closed meanwhile changes nothing."""
    door.refuse()
    with gated.running(marker_only=True) as running:
        assert running.uploader.intake.scanned.wait(SOON)
        gated.put("a.wav")
        reader = Holder(gated.root / "a.wav", "<")
        (gated.root / "a.wav.done").touch()
        running.await_states({"a.wav": "waiting"})
        door.open()
        running.uploader.view.retry(None)
        one = running.await_recording("a.wav", lambda one: one.stored is not None)
        assert one.state in {"stored", "reported"}
        reader.close()


@MARKED
def test_who_opened_it_before_a_restart_is_waited_for(gated: SpoolFolder, door: Gate, *, marked: bool) -> None:
    """Of his open nothing is known any more: the process is seen that has it open for writing."""
    door.refuse()
    with gated.running(marker_only=marked) as running:
        found_in_an_outage(running, gated, 1000, marked=marked)
    recorder = Holder(gated.root / "a.wav", ">>")
    door.open()
    with gated.running(marker_only=marked) as running:
        running.uploader.view.retry(None)
        waits_for_the_recorder(running, gated, recorder, marked=marked)
    gated.check_all_stored()


def test_quiet_proves_nothing_against_a_process_that_is_seen_to_write(quick: SpoolFolder) -> None:
    """It was open before the uploader came, and is not heard of again."""
    clock = FakeClock()
    quick.put("a.wav")
    recorder = Holder(quick.root / "a.wav", ">>")
    with quick.running(clock=clock, quiet_proof=60.0) as running:
        assert running.uploader.intake.scanned.wait(SOON)
        clock.advance(3600)
        running.rescan(times=2)
        assert running.uploader.intake.unfinished() == [("a.wav", "is open for writing")]
        recorder.close(MORE)
        quick.contents["a.wav"] += MORE
        running.rescan()
        clock.advance(3600)
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_a_writer_whose_open_a_reader_s_close_is_taken_for_is_seen_to_write(gated: SpoolFolder, door: Gate) -> None:
    """The reader's own open was lost: of the writer nothing is known but what /proc shows."""
    door.refuse()
    with gated.running(clock=FakeClock()) as running:
        assert running.uploader.intake.scanned.wait(SOON)
        gated.put("a.wav.part")
        gated.contents["a.wav"] = gated.contents.pop("a.wav.part")
        (gated.root / "a.wav.part").rename(gated.root / "a.wav")
        running.await_states({"a.wav": "waiting"})
        intake = running.uploader.intake
        intake._drain()
        with events_lost(intake):
            reader = Holder(gated.root / "a.wav", "<")
        recorder = Holder(gated.root / "a.wav", ">>")
        intake._drain()
        assert intake._file_events.opens("a.wav") == 1
        reader.close()
        intake._drain()
        assert intake._file_events.opens("a.wav") == 0, "nothing else would show the writer"
        door.open()
        running.uploader.view.retry(None)
        waits_for_the_recorder(running, gated, recorder)
    gated.check_all_stored()


def test_who_opened_it_before_events_were_lost_is_waited_for(
    gated: SpoolFolder, door: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_nobody(monkeypatch)
    door.refuse()
    with gated.running() as running:
        found_in_an_outage(running, gated, 1000, marked=False)
        recorder = Holder(gated.root / "a.wav", ">>")
        running.uploader.intake._drain()
        lose_events(running.uploader.intake)
        door.open()
        running.uploader.view.retry(None)
        waits_for_the_recorder(running, gated, recorder)
    gated.check_all_stored()
