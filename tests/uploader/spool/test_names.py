"""A name is used again, or says nothing of whose the recording is."""

import json
import os
import threading

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.spool.registration import AccountFrom
from recording_storage.uploader.spool.release import Releaser
from tests.s3.gate import Gate
from tests.uploader.spools import SpoolFolder
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_a_new_file_in_the_place_of_a_parked_one_is_taken(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^PUT [^?]*\.wav", 400, code="EntityTooLarge", times=1)
    gated.put("a.wav", seed=1)
    with gated.running() as running:
        running.await_states({"a.wav": "parked"})
        fresh = gated.put(".fresh", 500, seed=2)
        fresh.rename(gated.root / "a.wav")
        gated.contents["a.wav"] = gated.contents.pop(".fresh")
        running.uploader.intake.rescan()
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()


def test_a_journal_that_takes_no_release_hears_of_it_later_and_the_name_is_free(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failed = Releaser.release, threading.Event()

    def fail_once(self: Releaser, recordings):
        if failed.is_set():
            return real(self, recordings)
        failed.set()
        for recording in recordings:
            (quick.root / recording.path).unlink()
        raise JournalError("disk I/O error")

    monkeypatch.setattr(Releaser, "release", fail_once)
    quick.put("a.wav")
    with quick.running() as running:
        running.await_states({"a.wav": "released"})
        (quick.root / "a.wav").write_bytes(b"the next")
        os.utime(quick.root / "a.wav", (1.7e9, 1.7e9))
        running.uploader.intake.rescan()
        eventually(lambda: len(quick.bucket.keys()) >= 2, what="the next one is stored, too")


@pytest.mark.parametrize("account_from", [AccountFrom.METADATA, AccountFrom.TOP_DIRECTORY])
def test_a_recording_of_no_account_is_parked_and_goes_on_when_it_has_one(
    quick: SpoolFolder, account_from: AccountFrom
) -> None:
    account = "AC" + "5" * 32
    quick.put("calls/a.wav")
    with quick.running(account_from=account_from) as running:
        parked = running.await_states({"calls/a.wav": "parked"})["calls/a.wav"]
        assert parked.error is not None
        assert "account" in parked.error.message
        if account_from is AccountFrom.METADATA:
            (quick.root / "calls/a.wav.recording.json").write_text(json.dumps({"account_sid": account}))
            running.uploader.intake.rescan()
            running.await_states({"calls/a.wav": "released"})
        else:
            (quick.root / "calls").rename(quick.root / account)
            running.uploader.intake.rescan()
            running.await_states({f"{account}/a.wav": "released"})


def test_a_deleted_recording_whose_file_is_another_by_now_makes_room_for_it(quick: SpoolFolder) -> None:
    path = quick.put("a.wav")
    with quick.running() as running:
        [found] = running.await_states({"a.wav": "released"}).values()
    path.write_bytes(b"another")
    os.utime(path, (1.7e9, 1.7e9))
    releaser = Releaser(quick.root, journal=running.uploader.journal, clock=running.uploader.clock)
    assert releaser.delete([found]) == [found]
    assert path.exists()
    assert found.state is RecordingState.RELEASED
