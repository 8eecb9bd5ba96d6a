"""A file is moved aside, looked at, and then removed: what came in its place meanwhile is never removed unseen."""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recording_storage.uploader.core.recording import Identity, Reason, Recording
from recording_storage.uploader.spool import filesystem, release, removal
from recording_storage.uploader.spool.inotify import MOVED_TO, Event
from recording_storage.uploader.spool.openat import Location
from recording_storage.uploader.spool.writers import Writers
from tests.uploader.spools import Running, SpoolFolder
from tests.waiting import SOON

pytestmark = pytest.mark.slow

FIRST, SECOND, THIRD = b"first" * 100, b"second" * 200, b"third" * 300


def stored(spool: SpoolFolder) -> list[bytes]:
    return sorted(map(spool.bucket.read, spool.bucket.keys()))


def await_contents(spool: SpoolFolder, running: Running, wanted: list[bytes], *, left: list[str] | None = None) -> None:
    deadline = time.monotonic() + SOON
    while stored(spool) != sorted(wanted) or spool.media() != (left or []):
        assert time.monotonic() < deadline, (spool.media(), running.recordings())
        running.uploader.intake.rescan()
        time.sleep(0.05)


def write(path: Path, content: bytes, *, moment: float) -> None:
    path.write_bytes(content)
    os.utime(path, (moment, moment))


def rename_over(path: Path, content: bytes, *, moment: float = 1.7e9) -> None:
    fresh = path.with_name(f".fresh-{moment}")
    write(fresh, content, moment=moment)
    fresh.rename(path)


@contextmanager
def at(monkeypatch: pytest.MonkeyPatch, **acts: Callable[[], None]) -> Iterator[None]:
    """Something happens when the release passes a point, the first time."""
    left = {name.replace("_", "-"): act for name, act in acts.items()}

    def passed(name: str) -> None:
        if (act := left.pop(name, None)) is not None:
            act()

    monkeypatch.setattr(removal, "fault_point", passed)
    monkeypatch.setattr(filesystem, "fault_point", passed)
    yield
    assert not left, "a point was not passed"


@pytest.fixture(params=["in one step", "by a second name", "neither"])
def renaming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file system can do."""

    def no_links(*_a: object, **_k: object) -> None:
        raise OSError(errno.EPERM, "no second names here")

    if request.param != "in one step":
        monkeypatch.setattr(filesystem, "_rename_exclusively", lambda *_: errno.EINVAL)
    if request.param == "neither":
        monkeypatch.setattr(os, "link", no_links)
    return str(request.param)


@pytest.mark.usefixtures("renaming")
def test_a_file_that_is_renamed_over_it_in_the_last_moment_is_a_recording_of_its_own(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = quick.root / "a.wav"
    write(path, FIRST, moment=1.6e9)
    with at(monkeypatch, marker_removed=lambda: rename_over(path, SECOND)), quick.running() as running:
        await_contents(quick, running, [FIRST, SECOND])


def test_a_file_that_is_changed_in_the_last_moment_is_parked_under_its_name(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = quick.root / "a.wav"
    write(path, FIRST, moment=1.6e9)
    with (
        at(monkeypatch, marker_removed=lambda: write(path, SECOND, moment=1.7e9)),
        quick.running() as running,
    ):
        parked = running.await_states({"a.wav": "parked"})["a.wav"]
        assert parked.error is not None
        assert parked.error.code == Reason.CHANGED_AFTER_UPLOAD
        assert quick.media() == ["a.wav"]
        assert path.read_bytes() == SECOND
        path.rename(quick.root / "b.wav")  # as the message says
        await_contents(quick, running, [FIRST, SECOND])


@pytest.mark.usefixtures("renaming")
def test_a_name_that_is_taken_meanwhile_leaves_both_files_as_recordings(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = quick.root / "a.wav"
    write(path, FIRST, moment=1.6e9)
    with (
        at(
            monkeypatch,
            marker_removed=lambda: rename_over(path, SECOND),
            moved_aside=lambda: rename_over(path, THIRD, moment=1.71e9),
        ),
        quick.running() as running,
    ):
        await_contents(quick, running, [FIRST, SECOND, THIRD])
        assert any(name.startswith("a.put-back-") for name in running.recordings())
    assert "a.wav is taken" in caplog.text


def test_the_next_recordings_marker_and_metadata_stay(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = quick.root / "a.wav"
    beside, marker = quick.root / "a.wav.recording.json", quick.root / "a.wav.done"
    write(path, FIRST, moment=1.6e9)
    beside.write_text('{"call_sid": "CA1"}')
    marker.touch()

    def next_one() -> None:
        fresh = quick.root / ".fresh"
        fresh.write_text('{"call_sid": "CA2"}')
        fresh.rename(beside)
        marker.touch()  # of the file that comes, which is looked at when it is complete
        rename_over(path, SECOND, moment=time.time())

    real = removal.Remover._named
    acts = [next_one]

    def named(self: removal.Remover, media: Location, recording: Recording) -> os.stat_result | None:
        if acts:
            acts.pop()()
        return real(self, media, recording)

    monkeypatch.setattr(removal.Remover, "_named", named)

    with quick.running(marker_only=True) as running:
        await_contents(quick, running, [FIRST, SECOND])
        calls = [one.metadata for one in running.uploader.view.recordings()]
    assert [one["call_sid"] for one in calls] == ["CA1", "CA2"]


def test_metadata_that_comes_while_the_file_is_aside_is_the_next_recordings(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = quick.root / "a.wav"
    write(path, FIRST, moment=1.6e9)

    def next_one() -> None:
        (quick.root / "a.wav.recording.json").write_text('{"call_sid": "CA2"}')
        rename_over(path, SECOND)

    with at(monkeypatch, media_removed=next_one), quick.running() as running:
        await_contents(quick, running, [FIRST, SECOND])
        calls = [one.metadata for one in running.uploader.view.recordings()]
    assert calls == [{}, {"call_sid": "CA2"}]


@pytest.mark.parametrize("name", ["n" * 251 + ".wav", "é" * 125 + ".wav", "n" * 255, "n." + "x" * 253])
def test_a_name_as_long_as_names_can_be(quick: SpoolFolder, name: str) -> None:
    quick.put(f"sub/{name}")
    assert quick.once().returncode == 0
    quick.check_all_stored()
    assert _own_leftovers(quick) == []


@pytest.mark.parametrize("lost", [False, True])
def test_a_long_name_is_not_lost_by_a_crash(quick: SpoolFolder, *, lost: bool) -> None:
    name = "n" * 251 + ".wav"
    quick.put(name)
    content = quick.contents[name]
    assert quick.once(fault="moved-aside").returncode < 0
    assert len(_own_leftovers(quick)) == 1
    if lost:
        for part in (quick.root / ".recording-storage").glob("journal.db*"):
            part.unlink()
    finished = quick.once()
    assert finished.returncode == 0, finished.stderr
    assert set(stored(quick)) == {content}
    assert len(quick.bucket.keys()) == (2 if lost else 1), "without a journal its name was lost, not its content"
    assert quick.media() == []
    assert _own_leftovers(quick) == []


def _own_leftovers(spool: SpoolFolder) -> list[str]:
    return [path.name for path in (spool.root / ".recording-storage").glob("*.releasing")]


def test_a_volume_without_room_for_a_name_is_emptied_all_the_same(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def full(source: str, target: str, **where: int | None) -> None:
        if "/.a.wav." in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target, **where)

    monkeypatch.setattr(os, "rename", full)
    quick.put("a.wav")
    with quick.running() as running:
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_what_a_release_left_aside_is_finished_or_comes_back(quick: SpoolFolder) -> None:
    """Of a recording that is over: after a power cut, say. Of one that nobody knows: it was never over."""
    quick.put("sub/a.wav")
    assert quick.once().returncode == 0
    sid = quick.receipts[0]["sid"]
    with quick.running() as running:
        [one] = running.recordings().values()
    over = quick.root / "sub" / f".a.wav.{sid}.releasing"
    write(over, quick.contents["sub/a.wav"], moment=1.0)
    journal = quick.root / ".recording-storage" / "journal.db"
    with sqlite3.connect(journal) as connection:
        status = over.stat()
        connection.execute("UPDATE recordings SET inode=?, mtime_ns=?", (status.st_ino, status.st_mtime_ns))
    connection.close()
    unknown = quick.root / "sub" / f".b.wav.RE{'1' * 32}.releasing"
    write(unknown, SECOND, moment=1.6e9)
    changed = quick.root / "sub" / f".a.wav.{sid[:-1]}{'0' if sid[-1] != '0' else '1'}.releasing"
    write(changed, THIRD, moment=1.6e9)
    not_ours = quick.root / "sub" / ".mine.releasing"
    write(not_ours, b"of somebody else", moment=1.6e9)
    assert one.sid == sid
    with quick.running() as running:
        await_contents(quick, running, [quick.contents["sub/a.wav"], SECOND, THIRD], left=["sub/.mine.releasing"])


def test_what_is_put_back_is_not_taken_for_renamed_into_place(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing but a marker or a rename is proof: the recorder is still writing the file, on another node."""
    path = quick.root / "a.wav"
    monkeypatch.setattr("recording_storage.uploader.spool.evidence.writers", lambda _: Writers.UNKNOWN)
    monkeypatch.setattr("recording_storage.uploader.spool.removal.writers", lambda _: Writers.UNKNOWN)
    monkeypatch.setattr("recording_storage.uploader.spool.filesystem.network_file_system", lambda _: "nfs")
    put_back = threading.Event()

    def begin_the_next() -> None:
        os.link(path, quick.root / ".keeps-its-inode")
        path.unlink()
        path.write_bytes(SECOND)

    with (
        at(monkeypatch, marker_removed=begin_the_next, put_back=put_back.set),
        quick.running() as running,
    ):
        intake = running.uploader.intake
        seen = threading.Event()
        assert intake._watch is not None
        came: list[Event] = []
        real = intake._watch.take

        def take(event: Event) -> None:
            real(event)
            if event.mask & MOVED_TO and event.path == "a.wav":
                came.append(event)
            if len(came) > 1:  # the first is the recorder's
                seen.set()

        intake._watch._watch._take = take
        assert intake.scanned.wait(SOON)
        rename_over(path, FIRST, moment=1.6e9)
        assert put_back.wait(SOON)
        assert seen.wait(SOON)
        running.rescan()
        assert path.read_bytes() == SECOND
        assert stored(quick) == [FIRST]
        rename_over(path, THIRD)  # the recorder's own word
        await_contents(quick, running, [FIRST, THIRD], left=[".keeps-its-inode"])


def test_a_file_in_the_place_of_one_that_was_changed_after_the_upload_is_a_recording_of_its_own(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = quick.root / "a.wav"
    write(path, FIRST, moment=1.6e9)
    with (
        at(monkeypatch, marker_removed=lambda: write(path, SECOND, moment=1.7e9)),
        quick.running() as running,
    ):
        running.await_states({"a.wav": "parked"})
        rename_over(path, THIRD, moment=1.71e9)
        await_contents(quick, running, [FIRST, THIRD])


def test_a_file_that_is_deleted_is_moved_aside_too(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = quick.put("a.wav")
    (quick.root / "a.wav.done").touch()
    with quick.running(marker_only=True) as running:
        [released] = running.await_states({"a.wav": "released"}).values()
        write(path, FIRST, moment=1.6e9)
        status = path.stat()
        found = released._replace(identity=Identity(status.st_ino, status.st_size, status.st_mtime_ns))
        releaser = release.Releaser(quick.root, journal=running.uploader.journal, clock=running.uploader.clock)
        with at(monkeypatch, marker_removed=lambda: rename_over(path, SECOND)):
            assert releaser.delete([found]) == [found]
        assert path.read_bytes() == SECOND


def test_what_could_not_be_put_back_at_once_comes_back_with_the_next_scan(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leaves no room for a longer one: its file is moved to our own folder, which no scan goes through."""
    path = quick.root / f"{'n' * 240}.wav"
    write(path, FIRST, moment=1.6e9)
    refused = threading.Event()
    real = removal.put_back

    def put_back(aside: Location, origin: Location, *, coming: Callable[[str], None]) -> str:
        if not refused.is_set():
            refused.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(aside, origin, coming=coming)

    monkeypatch.setattr(removal, "put_back", put_back)

    def change() -> None:
        (aside,) = quick.root.glob(".recording-storage/*.releasing")
        write(aside, SECOND, moment=1.7e9)

    with at(monkeypatch, moved_aside=change), quick.running() as running:
        assert refused.wait(SOON)
        deadline = time.monotonic() + SOON
        while not path.exists():
            assert time.monotonic() < deadline
            running.uploader.intake.rescan()
            time.sleep(0.02)
        running.await_states({path.name: "parked"})
    assert path.read_bytes() == SECOND
    assert stored(quick) == [FIRST]
