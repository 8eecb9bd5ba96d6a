"""A finished file that is opened again before it is stored is looked at a second time: no half is a recording."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recording_storage.s3.client import S3Client
from recording_storage.s3.probe import PROBE_NAME
from recording_storage.uploader.core.recording import Reason, Recording
from tests.s3.gate import Gate
from tests.uploader.spools import MIB, SpoolFolder

pytestmark = pytest.mark.slow
SIZES = pytest.mark.parametrize("size", [1000, 12 * MIB], ids=["small", "large"])
MORE = b"after the hold"


class Recorder:
    """Has a finished file open again."""

    def __init__(self, spool: SpoolFolder, path: Path) -> None:
        self._spool, self._path = spool, path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)

    def finish(self, more: bytes = MORE) -> None:
        """Write the rest, and close."""
        os.write(self._fd, more)
        os.close(self._fd)
        self._spool.contents[self._path.name] += more


def is_in_use(one: Recording) -> bool:
    return one.error is not None and one.error.code == Reason.CHANGED_WHILE_UPLOADING


def once(act: Callable[[], None]) -> Callable[[], None]:
    left = [act]
    return lambda: left.pop()() if left else None


def acting_after(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None]) -> None:
    """Something happens right after the server has answered such a call for a recording, the first time."""
    real, first = getattr(S3Client, name), once(act)

    def call(self: S3Client, key: str, *arguments: Any, **named: Any) -> Any:
        answer = real(self, key, *arguments, **named)
        if PROBE_NAME not in key:
            first()
        return answer

    monkeypatch.setattr(S3Client, name, call)


@SIZES
def test_found_during_an_outage_then_reopened_silently(gated: SpoolFolder, door: Gate, size: int) -> None:
    door.refuse()
    path = gated.put("a.wav", size)
    with gated.running() as running:
        running.await_states({"a.wav": "waiting"})
        recorder = Recorder(gated, path)
        door.open()
        running.uploader.view.retry(None)
        running.await_recording("a.wav", is_in_use)
        assert gated.bucket.keys() == []
        recorder.finish()
        running.await_states({"a.wav": "released"})
    gated.check_all_stored()


def test_opened_again_while_its_parts_are_sent(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = quick.put("a.wav", 12 * MIB)
    recorders: list[Recorder] = []
    acting_after(monkeypatch, "upload_part", lambda: recorders.append(Recorder(quick, path)))
    with quick.running() as running:
        running.await_recording("a.wav", is_in_use)
        assert quick.bucket.keys() == []
        assert quick.bucket.uploads() == []
        recorders[0].finish()
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


@SIZES
def test_what_was_sent_before_the_file_changed_is_claimed_by_nobody(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It can't be taken back, and it is never stored over: the whole file is a recording of its own."""
    path = quick.put("a.wav", size)
    half = quick.contents["a.wav"]
    acting_after(monkeypatch, "complete_multipart", lambda: Recorder(quick, path).finish())
    with quick.running() as running:
        running.await_recording("a.wav", lambda one: one.state == "released")
        [before, after] = running.uploader.view.recordings()
        assert before.sid != after.sid
        assert before.state == "deleted"
        assert before.stored is None
        assert is_in_use(before)
    assert [(one["file"], one["sid"]) for one in quick.receipts] == [("a.wav", after.sid)]
    assert sorted(map(quick.bucket.read, quick.bucket.keys())) == sorted([half, quick.contents["a.wav"]])
    assert quick.media() == []


def test_a_sid_that_the_recorder_gave_is_not_changed(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the key is taken, by what the file was before: people are told."""
    path = quick.put("a.wav")
    sid = f"RE{'7' * 32}"
    (quick.root / "a.wav.recording.json").write_text(f'{{"recording_sid": "{sid}"}}')
    acting_after(monkeypatch, "complete_multipart", lambda: Recorder(quick, path).finish())
    with quick.running() as running:
        parked = running.await_states({"a.wav": "parked"})["a.wav"]
        assert parked.sid == sid
        assert parked.error is not None
        assert parked.error.code == Reason.KEY_TAKEN
    assert quick.receipts == []
    assert path.read_bytes() == quick.contents["a.wav"]


def test_a_marker_beside_a_file_that_is_still_open_waits_for_the_close(quick: SpoolFolder) -> None:
    path = quick.put("a.wav")
    recorder = Recorder(quick, path)
    (quick.root / "a.wav.done").touch()
    with quick.running() as running:
        attempts = running.await_recording("a.wav", is_in_use).attempts
        running.rescan(times=3)
        assert running.recordings()["a.wav"].attempts == attempts, "it is not tried while the file is open"
        recorder.finish()
        (quick.root / "a.wav.done").touch()
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()
