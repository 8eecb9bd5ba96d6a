"""A marker says that this file is finished, not the next one of its name."""

import os
import time

import pytest

from recording_storage.uploader.spool.inotify import CLOSE_WRITE, Event
from recording_storage.uploader.spool.writers import Writers
from tests.uploader.spools import Running, SpoolFolder
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow


def look_often(running: Running) -> None:
    """Long enough to take what can be taken: nothing has to settle here."""
    running.rescan(times=5)
    assert running.uploader.scheduler.idle.wait(SOON)


def contents_of(spool: SpoolFolder) -> list[bytes]:
    keys = spool.bucket.keys()
    return [spool.bucket.read(key) for key in keys]


@pytest.mark.parametrize("leases", [True, False])
def test_a_stray_marker_does_not_finish_the_next_file(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, *, leases: bool
) -> None:
    if not leases:  # the recorder's files are another user's
        monkeypatch.setattr("recording_storage.uploader.spool.evidence.writers", lambda _: Writers.UNKNOWN)
        monkeypatch.setattr("recording_storage.uploader.spool.removal.writers", lambda _: Writers.UNKNOWN)
    marker = quick.root / "call.wav.done"
    marker.touch()
    os.utime(marker, (time.time() - 60, time.time() - 60))
    with quick.running() as running:
        with (quick.root / "call.wav").open("wb") as call:
            call.write(b"before the hold")
            call.flush()
            look_often(running)
            assert (quick.root / "call.wav").exists()
            assert quick.bucket.keys() == []
            call.write(b", after the hold")
        marker.unlink()
        marker.touch()
        running.await_states({"call.wav": "released"})
        [key] = quick.bucket.keys()
        assert quick.bucket.read(key) == b"before the hold, after the hold"


def test_evidence_of_an_earlier_file_says_nothing_of_the_next(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leases can't be had: the recorder's files are another user's."""
    monkeypatch.setattr("recording_storage.uploader.spool.evidence.writers", lambda _: Writers.UNKNOWN)
    monkeypatch.setattr("recording_storage.uploader.spool.removal.writers", lambda _: Writers.UNKNOWN)
    with quick.running() as running:
        quick.put("call.wav", 10)
        (quick.root / "call.wav.done").touch()
        running.await_states({"call.wav": "released"})
        # a hint that comes late: the first file was closed
        assert running.uploader.intake._watch is not None
        running.uploader.intake._watch.take(Event("call.wav", CLOSE_WRITE, 0, opens=False))
        with (quick.root / "call.wav").open("wb") as call:
            call.write(b"before the hold")
            call.flush()
            look_often(running)
            assert (quick.root / "call.wav").exists()
            call.write(b", after the hold")
        running.uploader.intake.rescan()
        eventually(lambda: b"before the hold, after the hold" in contents_of(quick), what="the whole call is stored")


def test_a_close_that_was_seen_counts_where_leases_cannot_be_had(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder's files are another user's; the file was looked at while it grew."""
    monkeypatch.setattr("recording_storage.uploader.spool.evidence.writers", lambda _: Writers.UNKNOWN)
    monkeypatch.setattr("recording_storage.uploader.spool.removal.writers", lambda _: Writers.UNKNOWN)
    with quick.running() as running:
        running.uploader.intake.scanned.wait(SOON)
        with (quick.root / "call.wav").open("wb") as call:
            for _ in range(5):
                call.write(b"speech")
                call.flush()
                look_often(running)
            assert (quick.root / "call.wav").exists()
        quick.contents["call.wav"] = b"speech" * 5
        running.await_states({"call.wav": "released"})
    quick.check_all_stored()
