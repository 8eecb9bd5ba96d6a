"""Files that another process has open, and an uploader that gets no lease of any."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recording_storage.uploader.spool import inotify
from recording_storage.uploader.spool.intake import Intake
from recording_storage.uploader.spool.writers import Writers


class Holder:
    """A process of somebody else that has a file open; an uploader's own opens don't count."""

    def __init__(self, path: Path, way: str) -> None:
        """`way` is the shell's: `<` or `>>`."""
        script = f'exec 3{way}"$0"; echo; read -r more; test -z "$more" || printf %s "$more" >&3'
        self._process = subprocess.Popen(["sh", "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def close(self, more: bytes = b"") -> None:
        """Write the rest, and close."""
        self._process.communicate(more + b"\n")
        assert self._process.returncode == 0


def give_no_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for another user's files, without CAP_LEASE."""
    monkeypatch.setattr("recording_storage.uploader.spool.watch.may_lease_all", lambda: False)
    monkeypatch.setattr("recording_storage.uploader.spool.evidence.may_lease", lambda _: False)
    for module in ("spool.removal", "transfer.source_file"):
        monkeypatch.setattr(f"recording_storage.uploader.{module}.writers", lambda _: Writers.UNKNOWN)


def show_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for another user's processes: /proc doesn't tell what they have open."""
    monkeypatch.setattr("recording_storage.uploader.spool.open_files._written", lambda: iter(()))


def lose_events(intake: Intake) -> None:
    """What the kernel has to tell just now is lost, as if its queue had been full."""
    with events_lost(intake):
        pass


@contextmanager
def events_lost(intake: Intake) -> Iterator[None]:
    """What is done inside is lost, too."""
    assert intake._watch is not None
    watch = intake._watch._watch
    with watch._reading:
        yield
        watch._fetch()
        watch._fetched.clear()
        watch._read(inotify._HEAD.pack(-1, inotify._OVERFLOW, 0, 0))
