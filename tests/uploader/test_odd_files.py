"""One odd file, or one odd answer, never leaves an uploader that lives on and does nothing."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from recording_storage.uploader.spool import walk
from recording_storage.uploader.spool.openat import open_folder
from tests.s3.gate import Gate
from tests.uploader.spools import MIB, SpoolFolder
from tests.waiting import SOON

pytestmark = pytest.mark.slow


def _odd_name(spool: SpoolFolder) -> None:
    path = os.fsencode(spool.root) + b"/\xff\xfe.wav"
    Path(os.fsdecode(path)).write_bytes(b"odd")
    os.utime(path, (1e9, 1e9))


def _odd_metadata(spool: SpoolFolder, text: str) -> None:
    spool.put("odd.wav")
    del spool.contents["odd.wav"]
    (spool.root / "odd.wav.recording.json").write_text(text)


def _odd_time(spool: SpoolFolder) -> None:
    path = spool.put("odd.wav")
    del spool.contents["odd.wav"]
    os.utime(path, ns=(0, 253402300800 * 10**9))


ODD = {
    "name that is no UTF-8": _odd_name,
    "started_at before the first year": lambda s: _odd_metadata(s, '{"started_at": "0001-01-01T00:00:00+14:00"}'),
    "duration beyond any float": lambda s: _odd_metadata(s, '{"duration": 1' + "0" * 400 + "}"),
    "a lone surrogate": lambda s: _odd_metadata(s, '{"call_sid": "\\ud800"}'),
    "a time after the year 9999": _odd_time,
    "a time before the first year": lambda s: os.utime(s.put("odd.wav"), ns=(0, -62135596801 * 10**9)),
    "a name of 255 bytes": lambda s: s.put("n" * 251 + ".wav"),
    "a name of 245 bytes": lambda s: s.put("n" * 241 + ".wav"),
    "a name with a newline": lambda s: s.put("a\nb.wav"),
    "a name with a leading dash": lambda s: s.put("-rf"),
    "an empty file": lambda s: (s.put("empty.wav", 0), (s.root / "empty.wav.done").touch()),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_file_stops_no_other(quick: SpoolFolder, what: str) -> None:
    ODD[what](quick)
    with quick.running() as running:
        quick.put("good.wav")
        running.uploader.intake.rescan()
        running.await_states({"good.wav": "released"})
        quick.put("better.wav")
        running.uploader.intake.rescan()
        running.await_states({"better.wav": "released"})


@pytest.mark.parametrize(
    "what", ["a name of 255 bytes", "a name of 245 bytes", "a name with a newline", "an empty file"]
)
def test_an_odd_file_is_stored_and_released(quick: SpoolFolder, what: str) -> None:
    ODD[what](quick)
    with quick.running() as running:
        running.await_states(dict.fromkeys(quick.contents, "released"))
    quick.check_all_stored()


def test_a_folder_that_can_not_be_read_is_told_by_a_name_that_can_be_printed(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(os.fsdecode(os.fsencode(quick.root) + b"/calls-\xff")).mkdir()

    def closed(root: str, folder: str, **named: Any) -> int:
        if folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_folder(root, folder, **named)

    monkeypatch.setattr(walk, "open_folder", closed)
    with quick.running() as running:
        running.rescan()
        (told,) = running.uploader.intake.unproven()
        assert told.path.encode() == rb"'calls-\udcff'"
        assert "the folder can't be read" in told.why


def test_parts_that_were_cancelled_give_their_buffers_back(
    gated: SpoolFolder, door: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_storage.domain.upload_decision.full_jitter", lambda *_a, **_k: 0.05)
    door.answer(r"^PUT .*partNumber=", 503, code="SlowDown", times=60)
    for number in range(3):
        gated.put(f"{number}.mkv", 60 * MIB)
    with gated.running() as running:
        running.await_states({f"{number}.mkv": "released" for number in range(3)})


def test_a_thread_that_dies_ends_the_process(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with quick.running() as running:

        def burst(*_: object) -> None:
            raise RuntimeError("a defect")

        monkeypatch.setattr(running.uploader.intake, "_look_at_due", burst)
        monkeypatch.setattr(running.uploader.intake, "scan", burst)
        running.uploader.intake.rescan()
        assert running.uploader.ended.wait(SOON)
