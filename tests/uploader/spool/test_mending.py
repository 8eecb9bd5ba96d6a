"""What was wrong with a recording's metadata is read again when it is mended."""

import json
from pathlib import Path

import pytest

from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.recording import Reason, Recording
from recording_storage.uploader.spool.registration import AccountFrom
from tests.uploader.spools import Running, SpoolFolder
from tests.waiting import eventually

TAKEN, FREE = "RE" + "6" * 32, "RE" + "7" * 32


def say(spool: SpoolFolder, name: str, **fields: object) -> Path:
    path = spool.root / f"{name}.recording.json"
    path.write_text(json.dumps(fields))
    return path


def two_of_one_sid(spool: SpoolFolder, running: Running) -> Recording:
    """The second of them, parked."""
    for name in ("a.wav", "b.wav"):
        say(spool, name, recording_sid=TAKEN, call_sid=f"CA-{name}")
        spool.put(name)
        running.uploader.intake.rescan()
        running.await_states({name: "released" if name == "a.wav" else "parked"})
    return running.recordings()["b.wav"]


def test_a_sid_that_was_named_twice_is_read_again_when_it_is_corrected(
    quick: SpoolFolder, caplog: pytest.LogCaptureFixture
) -> None:
    with quick.running() as running:
        parked = two_of_one_sid(quick, running)
        assert parked.error is not None
        assert parked.error.code == Reason.DUPLICATE_SID
        assert parked.account_sid == "", "nobody is told of a sid that it will not have"
        running.rescan()
        assert caplog.text.count("is parked, DuplicateSid") == 1
        say(quick, "b.wav", recording_sid=FREE, call_sid="CA-new")
        running.uploader.view.retry(None)
        released = running.await_states({"a.wav": "released", "b.wav": "released"})["b.wav"]
        assert released.sid == FREE
        assert released.metadata["call_sid"] == "CA-new"
    quick.check_all_stored()


def test_it_is_read_again_after_a_restart_too(quick: SpoolFolder) -> None:
    with quick.running() as running:
        two_of_one_sid(quick, running)
    (quick.root / "b.wav.recording.json").unlink()
    with quick.running() as running:
        released = running.await_states({"a.wav": "released", "b.wav": "released"})["b.wav"]
        assert released.sid not in {TAKEN, FREE}
        assert released.metadata == {}
    quick.check_all_stored()


def test_a_retry_alone_does_not_store_it_under_another_sid_but_looks_whether_the_sid_is_free_by_now(
    quick: SpoolFolder,
) -> None:
    with quick.running() as running:
        two_of_one_sid(quick, running)
        running.uploader.view.retry(None)
        running.rescan()
        assert running.recordings()["b.wav"].state is RecordingState.PARKED
        running.uploader.journal.run(
            lambda connection: connection.execute("DELETE FROM recordings WHERE path='a.wav'")  # as after a day
        )
        running.uploader.view.retry(None)
        # its key is taken by the other one's object, which is never overwritten
        eventually(lambda: running.recordings()["b.wav"].sid == TAKEN, what="it has its own sid")


def test_a_wrong_account_that_was_named_is_read_again(quick: SpoolFolder) -> None:
    """A plan never comes for it: it would wait without limit."""
    right, wrong = "AC" + "0" * 32, "AC" + "9" * 32
    with quick.running(account_from=AccountFrom.METADATA) as running:
        plan = running.uploader.plans.plan(right)
        assert plan is not None
        running.uploader.plans.replace({right: plan})  # as a store does
        say(quick, "b.wav", account_sid=wrong)
        quick.put("b.wav")
        running.uploader.intake.rescan()
        waiting = running.await_states({"b.wav": "waiting"})["b.wav"]
        assert waiting.error is not None
        assert waiting.error.code == Reason.NO_PLAN
        running.rescan()
        again = running.recordings()["b.wav"]
        assert (again.id, again.found_at) == (waiting.id, waiting.found_at), "nothing was mended"
        say(quick, "b.wav", account_sid=right)
        assert running.await_states({"b.wav": "released"})["b.wav"].account_sid == right
