"""A recording that waits until its file is closed again, and whose file is removed instead: told, and not for ever."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recording_storage.uploader.core.recording import Reason, Recording
from tests.s3.gate import Gate
from tests.uploader.spools import Running, SpoolFolder

pytestmark = pytest.mark.slow


def has(reason: Reason) -> Callable[[Recording], bool]:
    def is_so(one: Recording) -> bool:
        return one.error is not None and one.error.code == reason

    return is_so


@pytest.fixture
def awaited(gated: SpoolFolder, door: Gate) -> Iterator[tuple[SpoolFolder, Path, Running]]:
    """A file that was removed while its recording was awaited anew."""
    door.refuse()
    path = gated.put("a.wav")
    with gated.running() as running:
        running.await_states({"a.wav": "waiting"})
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        door.open()
        running.uploader.view.retry(None)
        running.await_recording("a.wav", has(Reason.CHANGED_WHILE_UPLOADING))
        kept = gated.root.parent / "kept.wav"
        path.rename(kept)
        os.close(fd)
        yield gated, kept, running


def gone(running: Running) -> Recording:
    running.rescan()
    one = running.await_recording("a.wav", has(Reason.FILE_MISSING))
    assert one.state == "parked"
    return one


def test_it_is_parked_and_told(awaited: tuple[SpoolFolder, Path, Running], caplog: pytest.LogCaptureFixture) -> None:
    _, _, running = awaited
    gone(running)
    assert "is parked, FileMissing" in caplog.text
    assert running.uploader.parts.counters.values()["parked"] == 1


def test_it_goes_on_when_its_file_comes_back(awaited: tuple[SpoolFolder, Path, Running]) -> None:
    spool, kept, running = awaited
    before = gone(running)
    kept.rename(spool.root / "a.wav")
    one = running.await_states({"a.wav": "released"})["a.wav"]
    assert one.sid == before.sid
    spool.check_all_stored()


def test_it_goes_on_under_another_name(awaited: tuple[SpoolFolder, Path, Running]) -> None:
    spool, kept, running = awaited
    before = gone(running)
    kept.rename(spool.root / "b.wav")
    spool.contents["b.wav"] = spool.contents.pop("a.wav")
    assert running.await_states({"b.wav": "released"})["b.wav"].sid == before.sid
    spool.check_all_stored()


def test_what_was_removed_while_no_uploader_ran_is_told_too(gated: SpoolFolder, door: Gate) -> None:
    door.refuse()
    path = gated.put("a.wav")
    with gated.running() as running:
        running.await_states({"a.wav": "waiting"})
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        door.open()
        running.uploader.view.retry(None)
        running.await_recording("a.wav", has(Reason.CHANGED_WHILE_UPLOADING))
    os.close(fd)
    path.unlink()
    with gated.running() as running:
        gone(running)
