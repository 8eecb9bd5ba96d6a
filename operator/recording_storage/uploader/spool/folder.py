"""A spool: the folder on a volume where a recorder leaves files, with its id and its lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import uuid
from typing import TYPE_CHECKING

from recording_storage.uploader.core.fault_points import fault_point

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ".recording-storage"
ID_FILE = "spool-id"
LOCK_FILE = "lock"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class SpoolError(Exception):
    """The folder can't serve as a spool; the message says why and what to do."""


class SpoolBusyError(SpoolError):
    """Another uploader, or a command, has the spool."""


class Spool:
    """Paths of a spool. Making one changes nothing on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / FOLDER
        self.known = False
        """The spool had its id before this process came."""
        self._made = False
        self.id = ""
        """Set by `prepare`."""

    def path(self, relative: str) -> Path:
        return self.root / relative

    def make_folder(self) -> None:
        """Make the uploader's own folder, unless it is there. Raises SpoolError."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SpoolError(f"the spool {self.root} can't be used: {error.strerror} ({error.filename})") from error

    def prepare(self) -> str:
        """Make the uploader's own folder and the spool's id, durably, unless they are there; under the lock.

        Raises:
            SpoolError: no such folder, or no right to write in it.
        """
        self.make_folder()
        try:
            there = (self.folder / ID_FILE).exists()
            self.known = there and not self._made
            if not there:
                self._made = True
                write_durably(self.folder / ID_FILE, f"{uuid.uuid4()}\n".encode())
                fsync_folder(self.root)
                fault_point("spool-id-written")
            text = (self.folder / ID_FILE).read_text().strip()
        except OSError as error:
            raise SpoolError(f"the spool {self.root} can't be used: {error.strerror} ({error.filename})") from error
        if _ID.fullmatch(text) is None:
            raise SpoolError(
                f"{self.folder / ID_FILE} holds no id (a UUID): put the right one back, or remove the file"
            )
        self.id = text
        return text

    def read_id(self) -> str:
        """The spool's id without changing anything. Raises SpoolError when it has none."""
        try:
            return (self.folder / ID_FILE).read_text().strip()
        except OSError as error:
            raise SpoolError(f"{self.root} is no spool that an uploader has served: {error.strerror}") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the spool's lock.

        Raises:
            SpoolBusyError: somebody else has it. It is let go by the kernel when its holder ends, however it ends.
        """
        lock = SpoolLock(self)
        lock.acquire()
        try:
            yield
        finally:
            lock.release()


class SpoolLock:
    """At most one uploader for a spool: an advisory lock on a file beside the journal."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._fd = -1

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def acquire(self) -> None:
        """Take it without waiting. Raises SpoolBusyError or SpoolError."""
        try:
            fd = os.open(self._spool.folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SpoolError(f"the lock of the spool {self._spool.root} can't be had: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 200, 0).decode(errors="replace").strip()
            os.close(fd)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise SpoolBusyError(
                    f"the spool {self._spool.root} is served by {holder or 'another uploader'}"
                ) from None
            raise SpoolError(f"the spool {self._spool.root} can't be locked: {error.strerror}") from error
        self._fd = fd
        with contextlib.suppress(OSError):  # for people only; on a full volume it stays empty
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file so that after a crash either nothing or all of it is there under its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.rename(path)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make names that came or went durable; file systems that can't fsync a folder do so by themselves."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync_open_folder(fd)
    finally:
        os.close(fd)


def fsync_open_folder(fd: int) -> None:
    """The same for one that is open for reading. Raises OSError."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
