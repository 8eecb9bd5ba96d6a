"""A file that is stored and can't be removed: told, kept, and tried again by itself; never stored a second time."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from recording_storage.uploader.core.recording import Reason, Recording
from recording_storage.uploader.spool import release
from tests.uploader.spools import FakeClock, Running, SpoolFolder

pytestmark = pytest.mark.slow

CALLS = {
    "lstat": lambda name: name == "a.wav",
    "rename": lambda name: name == "a.wav",
    "open": lambda name: name.endswith(".releasing"),
    "unlink": lambda name: name.endswith(".releasing"),
}
"""What may fail at a removal, and on which names."""


class Trouble:
    """A volume, or a folder, that lets nothing be removed from the first release on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
        self.lasts = False
        self._ended = False
        real: Callable[..., Any] = getattr(os, call)

        def failing(path: Any, *arguments: Any, **named: Any) -> Any:
            if self.lasts and isinstance(path, str) and CALLS[call](path.rpartition("/")[2]):
                raise OSError(number, os.strerror(number), path)
            return real(path, *arguments, **named)

        monkeypatch.setattr(os, call, failing)
        monkeypatch.setattr(release, "fault_point", self._begin)

    def _begin(self, point: str) -> None:
        if point == "before-release" and not self._ended:
            self.lasts = True

    def end(self) -> None:
        self.lasts, self._ended = False, True


def is_stuck(one: Recording) -> bool:
    return one.error is not None and one.error.code == Reason.NOT_REMOVABLE


@contextmanager
def stuck(spool: SpoolFolder, path: str, *, clock: FakeClock | None = None) -> Iterator[tuple[Running, str]]:
    """An uploader that can't remove a stored file, and what it says of that."""
    with spool.running(clock=clock) as running:
        one = running.await_recording(path, is_stuck)
        assert one.state == "reported"
        assert one.stored is not None
        assert one.retry_at is not None
        assert one.error is not None
        yield running, one.error.message


@pytest.mark.parametrize(
    ("number", "call", "name"),
    [
        *((errno.EIO, call, name) for call in CALLS for name in ("a.wav", "sub/a.wav")),
        *((number, "rename", "sub/a.wav") for number in (errno.EROFS, errno.EACCES)),
    ],
)
def test_it_stays_reported_and_goes_once_that_is_possible(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, number: int, call: str, name: str
) -> None:
    clock = FakeClock()
    path = quick.put(name)
    trouble = Trouble(monkeypatch, call, number)
    with stuck(quick, name, clock=clock) as (running, message):
        assert "again by itself" in message
        assert "rename" not in message
        assert path.read_bytes() == quick.contents[name]
        [reason] = running.uploader.view.reasons()
        assert (reason.state, reason.error.code) == ("reported", Reason.NOT_REMOVABLE)
        trouble.end()
        clock.advance(400)
        running.await_states({name: "released"})
    quick.check_all_stored()


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EBUSY, errno.EPERM, errno.ETXTBSY], ids=errno.errorcode.get)
def test_whatever_the_system_says(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    quick.put("a.wav")
    Trouble(monkeypatch, "rename", number)
    with stuck(quick, "a.wav"):
        pass


def test_it_says_what_to_do(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    quick.put("a.wav")
    trouble = Trouble(monkeypatch, "rename", errno.EACCES)
    with stuck(quick, "a.wav") as (_, message):
        assert f"uid {os.geteuid()}" in message
    trouble.end()


def test_it_is_tried_again_at_the_next_start(quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    quick.put("a.wav")
    trouble = Trouble(monkeypatch, "rename", errno.EROFS)
    with stuck(quick, "a.wav"):
        pass
    trouble.end()
    with quick.running() as running:
        running.await_states({"a.wav": "released"})
    quick.check_all_stored()


def test_each_try_is_later_and_only_the_first_is_told(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    quick.put("a.wav")
    trouble = Trouble(monkeypatch, "rename", errno.EIO)
    with stuck(quick, "a.wav", clock=clock) as (running, _):
        first = running.recordings()["a.wav"]
        for failures in range(2, 5):
            clock.advance(400)
            again = running.await_recording("a.wav", lambda one, wanted=failures: one.failures >= wanted)
            assert again.seq == first.seq, "nothing new is to be reported"
        trouble.end()
    assert caplog.text.count("not removed yet") == 1


def test_what_is_to_be_deleted_without_being_stored_is_tried_again_too(
    quick: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick.put("a.wav")
    with quick.running() as running:
        [found] = running.await_states({"a.wav": "released"}).values()
        path = quick.put("a.wav")
        status = path.stat()
        found = found._replace(identity=found.identity._replace(inode=status.st_ino, mtime_ns=status.st_mtime_ns))
        trouble = Trouble(monkeypatch, "rename", errno.EACCES)
        trouble.lasts = True
        releaser = release.Releaser(quick.root, journal=running.uploader.journal, clock=running.uploader.clock)
        assert releaser.delete([found]) == []
        assert releaser.delete_again() == []
        assert path.exists()
        trouble.end()
        assert [one.id for one in releaser.delete_again()] == [found.id]
        assert releaser.delete_again() == []
        assert not path.exists()
