"""What is told as deleted is removed, whatever comes between, and never taken for a new recording."""

import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from recording_storage.uploader.core.recording import Recording
from recording_storage.uploader.spool import removal
from tests.field.exchange import Answer, Exchange, Operation, is_recording
from tests.field.killing import KILLED
from tests.field.server import FieldServer
from tests.uploader.scheduler.test_denial import DENIED, TO_STORE, delete, prove, take
from tests.uploader.spools import MIB, FakeClock, Running, SpoolFolder
from tests.waiting import SOON, eventually

pytestmark = pytest.mark.slow
AT_ONCE = delete(denialGrace=0)


@pytest.fixture(autouse=True)
def _policy(field_spool: SpoolFolder) -> None:
    field_spool.write_config(policy=AT_ONCE)


def others(running: Running) -> list[Recording]:
    """All but that which was stored before access was denied."""
    return [one for one in running.uploader.view.recordings() if one.path != "proof.wav"]


def await_deleted_once(running: Running, spool: SpoolFolder, clock: FakeClock) -> None:
    def gone() -> bool:
        clock.advance(5)
        return spool.media() == []

    eventually(gone, what="its file is gone")
    running.rescan()
    assert [one.state for one in others(running)] == ["deleted"]
    assert len(spool.bucket.keys()) == 1, "only what was stored before"


def stay(_path: Path) -> None:
    """It has its name still."""


def rename(path: Path) -> None:
    if path.exists():
        path.rename(path.with_name("b.wav"))


def test_its_upload_is_aborted_though_nothing_else_comes(field: FieldServer, field_spool: SpoolFolder) -> None:
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        denied = field.on(Operation.PART, DENIED, when=is_recording)
        field_spool.put("a.wav", 12 * MIB)
        take(running)
        await_deleted_once(running, field_spool, clock)
        assert denied.met.is_set()
        eventually(lambda: not field_spool.bucket.uploads(), what="its upload is aborted")


@pytest.mark.parametrize("meanwhile", [stay, rename])
@pytest.mark.parametrize("point", ["marker-removed", "moved-aside", "media-removed", "metadata-removed"])
def test_killed_before_its_file_is_gone(
    field: FieldServer, field_spool: SpoolFolder, point: str, meanwhile: Callable[[Path], None]
) -> None:
    field_spool.put("proof.wav")
    assert field_spool.once().returncode == 0
    field.on(TO_STORE, DENIED)
    field_spool.put("a.wav")
    assert field_spool.once(fault=point).returncode == KILLED
    field.mend()
    meanwhile(field_spool.root / "a.wav")
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        assert running.uploader.intake.scanned.wait(SOON)
        await_deleted_once(running, field_spool, clock)


def test_a_volume_that_is_read_only_over_a_restart(
    field: FieldServer, field_spool: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with field_spool.running(clock=FakeClock()) as running:
        prove(running, field_spool)
        with monkeypatch.context() as patch:
            patch.setattr(removal, "_move_aside", read_only)
            field.on(TO_STORE, DENIED)
            field_spool.put("a.wav")
            take(running)
            running.await_states({"a.wav": "deleted"})
            running.rescan()
    assert field_spool.media() == ["a.wav"]
    field.mend()
    clock = FakeClock()
    with monkeypatch.context() as patch:
        patch.setattr(removal, "_move_aside", read_only)
        with field_spool.running(clock=clock) as running:
            running.rescan(times=2)
            assert [one.state for one in others(running)] == ["deleted"]
            assert field_spool.media() == ["a.wav"]
            patch.undo()
            await_deleted_once(running, field_spool, clock)


def test_a_file_that_is_renamed_while_it_is_sent(field: FieldServer, field_spool: SpoolFolder) -> None:
    sending, go_on = threading.Event(), threading.Event()

    def denied_late(exchange: Exchange) -> Answer | bytes | None:
        sending.set()
        go_on.wait(SOON)
        return DENIED(exchange)

    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        field.on(TO_STORE, denied_late)
        path = field_spool.put("a.wav")
        take(running)
        assert sending.wait(SOON)
        path.rename(path.with_name("b.wav"))
        running.await_recording("b.wav", lambda _: True)
        go_on.set()
        await_deleted_once(running, field_spool, clock)


def test_all_names_of_a_file(field: FieldServer, field_spool: SpoolFolder) -> None:
    clock = FakeClock()
    with field_spool.running(clock=clock) as running:
        prove(running, field_spool)
        field.on(TO_STORE, DENIED)
        path = field_spool.put(".a")
        (path.with_name("b.wav")).hardlink_to(path)
        path.rename(path.with_name("a.wav"))
        take(running)
        await_deleted_once(running, field_spool, clock)


def test_what_has_an_unfinished_entry_is_not_removed_for_another_one(
    field: FieldServer, field_spool: SpoolFolder
) -> None:
    """As where a deleted one was entered anew by an earlier version."""
    with field_spool.running(clock=FakeClock()) as running:
        prove(running, field_spool)
        field.on(TO_STORE, DENIED)
        field_spool.put("a.wav")
        take(running)
        running.await_states({"a.wav": "deleted"})
    field.mend()
    field_spool.put("b.wav")
    assert field_spool.once(fault="found-journalled").returncode == KILLED
    with closing(sqlite3.connect(field_spool.root / ".recording-storage" / "journal.db")) as journal, journal:
        journal.execute(
            "UPDATE recordings SET (path, inode, size, mtime_ns) ="
            " (SELECT path, inode, size, mtime_ns FROM recordings WHERE path='b.wav') WHERE path='a.wav'"
        )
    with field_spool.running() as running:
        running.await_states({"b.wav": "released"})
    assert field_spool.contents["b.wav"] in map(field_spool.bucket.read, field_spool.bucket.keys())
