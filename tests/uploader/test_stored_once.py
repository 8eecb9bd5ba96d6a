"""What is stored is never stored again over itself, and what is in its place is a recording of its own."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recording_storage.s3.client import S3Client
from recording_storage.uploader.spool.release import Releaser
from tests.s3.gate import Gate
from tests.uploader.spools import MIB, SpoolFolder
from tests.waiting import SOON

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recording_storage.domain.upload_decision.full_jitter", lambda *_a, **_k: 0.05)


def contents_of(spool: SpoolFolder) -> list[bytes]:
    keys = spool.bucket.keys()
    return sorted(spool.bucket.read(key) for key in keys)


@contextmanager
def before_release(monkeypatch: pytest.MonkeyPatch, act) -> Iterator[None]:
    """Something happens between the report and the release, once."""
    real, done = Releaser.release, threading.Event()

    def late(self, recordings):
        if not done.is_set():
            done.set()
            act()
        return real(self, recordings)

    monkeypatch.setattr(Releaser, "release", late)
    yield


def test_a_name_that_comes_back_before_the_release_is_a_new_recording(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = b"first" * 100

    def replace() -> None:
        fresh = quick.root / ".fresh"
        fresh.write_bytes(b"second" * 100)
        os.utime(fresh, (1.7e9, 1.7e9))
        fresh.rename(quick.root / "a.wav")

    (quick.root / "a.wav").write_bytes(first)
    os.utime(quick.root / "a.wav", (1.6e9, 1.6e9))
    with before_release(monkeypatch, replace), quick.running() as running:
        running.await_empty(quick)
        contents = contents_of(quick)
        assert contents == sorted([first, b"second" * 100]), running.recordings()
        assert quick.media() == []


def test_a_retry_never_overwrites_what_is_stored(
    gated: SpoolFolder, door: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server that does not know If-None-Match, too."""
    real = S3Client.put_object
    monkeypatch.setattr(S3Client, "put_object", lambda self, *a, **k: real(self, *a, **(k | {"if_none_match": False})))
    first = b"first" * 100

    def replace() -> None:
        (gated.root / "a.wav").write_bytes(b"second" * 100)
        os.utime(gated.root / "a.wav", (1.7e9, 1.7e9))

    (gated.root / "a.wav").write_bytes(first)
    os.utime(gated.root / "a.wav", (1.6e9, 1.6e9))
    with before_release(monkeypatch, replace), gated.running() as running:
        for _ in range(10):
            running.uploader.view.retry(None)
            running.rescan()
            assert running.uploader.scheduler.idle.wait(SOON)
        contents = contents_of(gated)
        assert first in contents, running.recordings()


def test_a_412_after_an_uncertain_completion_is_ours(gated: SpoolFolder, door: Gate) -> None:
    door.lose_answer(r"^POST .*uploadId")
    door.answer(r"^POST .*uploadId", 412, code="PreconditionFailed", times=1)
    gated.put("a.mkv", 12 * MIB)
    with gated.running() as running:
        running.await_states({"a.mkv": "released"})
    gated.check_all_stored()


def test_a_changed_file_that_was_renamed_is_a_recording_of_its_own_and_the_old_one_ends(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the error says: rename the file."""

    def append() -> None:
        with (quick.root / "a.wav").open("ab") as file:
            file.write(b", and more")
        os.utime(quick.root / "a.wav", (1.7e9, 1.7e9))

    (quick.root / "a.wav").write_bytes(b"first")
    os.utime(quick.root / "a.wav", (1.6e9, 1.6e9))
    with before_release(monkeypatch, append), quick.running() as running:
        parked = running.await_states({"a.wav": "parked"})["a.wav"]
        assert parked.error is not None
        assert parked.error.code == "ChangedAfterUpload"
        (quick.root / "a.wav").rename(quick.root / "b.wav")
        running.await_states({"b.wav": "released"})
        running.uploader.view.retry(None)
        running.await_states({"a.wav": "released", "b.wav": "released"})
        contents = contents_of(quick)
        assert contents == [b"first", b"first, and more"]
    assert len(quick.receipts) == 2


def test_an_upload_whose_part_was_spoilt_is_not_left_open(gated: SpoolFolder, door: Gate) -> None:
    door.answer(r"^PUT .*partNumber=2", 400, code="BadDigest", times=1)
    gated.put("a.mkv", 20 * MIB)
    with gated.running() as running:
        running.await_states({"a.mkv": "released"})
    gated.check_all_stored()
