"""What is taken from a spool, when, and as what."""

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recording_storage.domain.sids import derived_sid
from recording_storage.uploader.core.recording import Reason
from recording_storage.uploader.spool import filesystem, inotify, walk
from recording_storage.uploader.spool.intake import FIRST
from recording_storage.uploader.spool.walk import FoundFile, Walker
from tests.uploader.spools import SpoolFolder
from tests.waiting import SOON, eventually

ACCOUNT = "AC" + "3" * 32


def metadata(spool: SpoolFolder, name: str, **fields: object) -> Path:
    path = spool.root / f"{name}.recording.json"
    path.write_text(json.dumps(fields))
    return path


def test_a_file_that_is_open_and_silent_is_not_taken_before_it_is_closed(quick: SpoolFolder) -> None:
    """A call on hold writes nothing for minutes: quiet is not finished."""
    path = quick.put("call.wav", age=600)
    quick.put("other.wav")
    with path.open("ab") as recorder, quick.running() as running:
        running.await_states({"other.wav": "released"})
        running.uploader.intake.rescan()
        assert "call.wav" not in running.recordings()
        assert running.uploader.intake.unfinished() == [("call.wav", "is open for writing")]
        recorder.write(b"more")
        recorder.flush()
        quick.contents["call.wav"] += b"more"
        recorder.close()
        running.await_states({"call.wav": "released"})
    quick.check_all_stored()


def test_a_file_that_is_renamed_while_it_is_open_is_not_taken(quick: SpoolFolder) -> None:
    path = quick.put("call.tmp", age=600)
    with path.open("ab"):
        path.rename(quick.root / "call.wav")
        finished = quick.once()
        assert finished.returncode == 3
        assert quick.media() == ["call.wav"]


def test_the_marker_is_proof_and_goes_with_the_file(quick: SpoolFolder) -> None:
    quick.put("call.wav", age=0)
    (quick.root / "call.wav.done").touch()
    finished = quick.once("--settle", "1h")
    assert finished.returncode == 0, finished.stderr
    quick.check_all_stored()


def test_with_markers_only_nothing_else_is_proof(quick: SpoolFolder) -> None:
    quick.put("call.wav", age=600)
    finished = quick.once("--completion", "Marker")
    assert finished.returncode == 3
    assert quick.media() == ["call.wav"]


def test_what_is_left_alone(quick: SpoolFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside.wav"
    outside.write_bytes(b"not ours")
    folder = tmp_path / "outside-folder"
    folder.mkdir()
    (folder / "inside.wav").write_bytes(b"not ours")
    for name in (".hidden.wav", "a.wav.tmp", "b.part", ".folder/c.wav"):
        quick.put(name)
        del quick.contents[name]
    (quick.root / "link.wav").symlink_to(outside)
    (quick.root / "linked").symlink_to(folder)
    os.mkfifo(quick.root / "pipe.wav")
    (quick.root / "orphan.wav.done").touch()
    metadata(quick, "coming.wav", call_sid="CA1")
    quick.put("fine.wav")
    quick.put("content.json")
    finished = quick.once()
    assert finished.returncode == 3, "what is no file is left alone, and told"
    assert "link.wav is not taken: it is a symbolic link" in finished.stderr
    assert "pipe.wav is not taken: it is no regular file" in finished.stderr
    assert outside.read_bytes() == b"not ours"
    assert sorted(one["file"] for one in quick.receipts) == ["content.json", "fine.wav"]
    assert (quick.root / "coming.wav.recording.json").exists()


def test_an_empty_file_is_stored_as_an_empty_object(quick: SpoolFolder) -> None:
    quick.put("empty.wav", 0)
    (quick.root / "empty.wav.done").touch()
    assert quick.once().returncode == 0
    quick.check_all_stored()


def test_names_that_are_hard(quick: SpoolFolder) -> None:
    quick.put("ein Anruf \u2013 ünïcode, +%?#&.wav")
    quick.put("no-extension")
    quick.put("deep/er/and/deeper/call.with.dots.wav")
    assert quick.once().returncode == 0
    quick.check_all_stored()


def test_metadata_says_what_the_recording_is(quick: SpoolFolder) -> None:
    sid = "RT" + "4" * 32
    quick.put("track.mkv")
    metadata(quick, "track.mkv", recording_sid=sid, room_sid="RM1", type="video", duration=12, unknown="left alone")
    quick.put("call.wav")
    metadata(quick, "call.wav", account_sid=ACCOUNT, call_sid="CA9")
    quick.write_config(policy=json.dumps({"keyTemplate": "{account_sid}/{call_sid}{room_sid}/{recording_sid}{ext}"}))
    assert quick.once().returncode == 0
    keys = sorted(quick.bucket.keys())
    assert f"calls/AC{'0' * 32}/RM1/{sid}.mkv" in keys
    assert any(key.startswith(f"calls/{ACCOUNT}/CA9/RE") for key in keys)
    quick.check_all_stored()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no JSON"),
        ("[]", "must be a JSON object"),
        ('{"recording_sid": "nonsense"}', "recording_sid 'nonsense' must be RE or RT"),
        ('{"recording_sid": "RT' + "5" * 32 + '"}', "must begin with RE"),
        ('{"duration": -1}', "duration '-1' must be seconds"),
        ('{"started_at": "yesterday"}', "started_at 'yesterday' must be a time"),
        ('{"account_sid": 7}', "account_sid '7' must be AC"),
    ],
)
def test_wrong_metadata_parks_that_recording_until_it_is_mended(quick: SpoolFolder, content: str, words: str) -> None:
    quick.put("bad.wav")
    quick.put("good.wav")
    path = quick.root / "bad.wav.recording.json"
    path.write_text(content)
    with quick.running() as running:
        found = running.await_states({"bad.wav": "parked", "good.wav": "released"})
        error = found["bad.wav"].error
        assert error is not None
        assert error.code == Reason.INVALID_METADATA
        assert words in error.message
        path.write_text('{"call_sid": "CA1", "room_sid": "RM1"}')
        running.uploader.intake.rescan()
        mended = running.await_states({"bad.wav": "released"})
        assert mended["bad.wav"].sid.startswith("RT")
    quick.check_all_stored()


def test_a_name_that_comes_back_is_a_new_recording(quick: SpoolFolder) -> None:
    with quick.running() as running:
        for number in range(3):
            quick.put("call.wav", 1000, seed=number, age=60 - number)
            running.uploader.intake.rescan()
            seen = number
            eventually(
                lambda: len(quick.bucket.keys()) > seen and not quick.media(),  # noqa: B023 - it ends in this round
                what="it is stored and gone",
            )
    assert len({one["sid"] for one in quick.receipts}) == 3
    stored = sorted(map(quick.bucket.read, quick.bucket.keys()))
    assert stored == sorted(random.Random(number).randbytes(1000) for number in range(3))


def test_the_same_file_again_is_a_new_recording_too(quick: SpoolFolder) -> None:
    moment = time.time() - 100
    for _ in range(2):
        path = quick.put("call.wav")
        os.utime(path, (moment, moment))
        assert quick.once().returncode == 0
    assert len(quick.bucket.keys()) == 2


def test_a_sid_that_is_named_twice_parks_the_second(quick: SpoolFolder) -> None:
    sid = "RE" + "6" * 32
    for name in ("a.wav", "b.wav"):
        quick.put(name)
        metadata(quick, name, recording_sid=sid)
    with quick.running() as running:
        running.await_states({})
        eventually(
            lambda: sorted(one.state.value for one in running.recordings().values()) == ["parked", "released"],
            what="one is parked, the other released",
        )
        parked = next(one for one in running.recordings().values() if one.state == "parked")
        assert parked.error is not None
        assert parked.error.code == Reason.DUPLICATE_SID


def test_sids_are_derived_from_the_file(quick: SpoolFolder) -> None:
    status = quick.put("sub/call.wav").stat()
    assert quick.once().returncode == 0
    spool_id = (quick.root / ".recording-storage" / "spool-id").read_text().strip()
    assert quick.receipts[0]["sid"] == derived_sid(
        "RE", spool_id=spool_id, path="sub/call.wav", size=status.st_size, mtime_ns=status.st_mtime_ns
    )


def test_a_file_that_somebody_removed_is_told_and_found_again(gated: SpoolFolder, door) -> None:
    door.refuse()
    path = gated.put("call.wav")
    with gated.running() as running:
        running.await_states({"call.wav": "waiting"})
        hidden = path.rename(path.with_name(".hidden"))
        door.open()
        running.uploader.view.retry(None)
        found = running.await_states({"call.wav": "parked"})
        assert found["call.wav"].error is not None
        assert found["call.wav"].error.code == Reason.FILE_MISSING
        hidden.rename(path)
        running.uploader.intake.rescan()
        running.await_states({"call.wav": "released"})
    gated.check_all_stored()


def test_a_file_that_changes_before_it_is_stored_is_awaited_anew(gated: SpoolFolder, door) -> None:
    door.refuse()
    path = gated.put("call.wav")
    with gated.running() as running:
        running.await_states({"call.wav": "waiting"})
        path.write_bytes(b"another content")
        gated.contents["call.wav"] = b"another content"
        door.open()
        running.uploader.view.retry(None)
        running.await_states({"call.wav": "released"})
    gated.check_all_stored()


def test_the_first_are_uploaded_while_a_long_walk_goes_on(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    walk, go_on = Walker.walk, threading.Event()

    def slowly(walker: Walker) -> Iterator[FoundFile]:
        for number, file in enumerate(walk(walker)):
            if number == FIRST:
                assert go_on.wait(SOON)
            yield file

    monkeypatch.setattr(Walker, "walk", slowly)
    for number in range(FIRST + 1):
        quick.put(f"{number:03}.wav", size=100)
    with quick.running() as running:
        eventually(
            lambda: sum(one.state == "released" for one in running.recordings().values()) == FIRST,
            what="the first are released",
        )
        assert not running.uploader.intake.scanned.is_set()
        go_on.set()
        running.await_states({f"{number:03}.wav": "released" for number in range(FIRST + 1)})
    quick.check_all_stored()


def test_on_a_network_volume_below_a_local_spool_nothing_but_a_marker_or_a_rename_is_proof(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The volume is played: what it is mounted from is asked for by the path of a file on it."""
    monkeypatch.setattr(filesystem, "network_file_system", lambda place: "nfs" if "/volume/" in str(place) else None)
    device = os.lstat(quick.root).st_dev
    real = walk._found

    def found(path: str, status: os.stat_result, **more: bool) -> FoundFile:
        file = real(path, status, **more)
        return file._replace(device=device + 1) if path.startswith("volume/") else file

    monkeypatch.setattr(walk, "_found", found)
    quick.put("volume/open-elsewhere.wav", age=3600)
    quick.put("volume/marked.wav")
    (quick.root / "volume/marked.wav.done").touch()
    quick.put("local.wav")
    with quick.running() as running:
        running.await_states({"local.wav": "released", "volume/marked.wav": "released"})
        assert "volume/open-elsewhere.wav" not in running.recordings()
        assert [path for path, _ in running.uploader.intake.unfinished()] == ["volume/open-elsewhere.wav"]
        assert "is on nfs" in caplog.text
        renamed = quick.root / "volume/open-elsewhere.wav"
        renamed.rename(quick.root / "volume/.aside")
        (quick.root / "volume/.aside").rename(renamed)
        running.await_states({"volume/open-elsewhere.wav": "released"})


def test_lost_events_are_told_and_everything_is_looked_at(quick: SpoolFolder, caplog: pytest.LogCaptureFixture) -> None:
    with quick.running() as running:
        running.uploader.intake.scanned.wait(SOON)
        scans = running.uploader.intake.scans
        watch = running.uploader.intake._watch
        assert watch is not None
        watch._watch._read(inotify._HEAD.pack(-1, inotify._OVERFLOW, 0, 0))
        eventually(lambda: running.uploader.intake.scans > scans, what="it is walked again")
        assert "more to tell" in caplog.text


def test_a_file_that_is_renamed_again_and_again_leaves_nothing_behind(quick: SpoolFolder) -> None:
    with quick.running() as running:
        running.uploader.intake.scanned.wait(SOON)
        for number in range(50):
            with (quick.root / ".x").open("wb") as call:
                call.write(b"speech %d" % number)
            (quick.root / ".x").rename(quick.root / "x.wav")
            (quick.root / "x.wav").rename(quick.root / ".y")
            (quick.root / ".y").unlink()
        running.rescan()
        assert running.uploader.intake.growing == 0
        assert len(running.uploader.intake._file_events) == 0


def test_our_own_opens_are_nobody_elses(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recording_storage.uploader.spool.watch.may_lease_all", lambda: False)
    with quick.running(settle=3600.0) as running:
        intake = running.uploader.intake
        assert intake.scanned.wait(SOON)
        path = quick.put("call.wav")

        def is_opened() -> bool:
            return intake.examiner.is_opened("call.wav", path.stat())

        assert not is_opened()
        with path.open("rb"):
            assert not is_opened()
            assert intake._file_events.opens("call.wav") == 1
            with subprocess.Popen(["tail", "-f", path], stdout=subprocess.PIPE) as other:
                assert other.stdout is not None
                other.stdout.read(1)
                assert is_opened()
                other.kill()
            assert not is_opened()
