"""The demo's working folder: whose it is, and what demos that were killed have left behind."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from recording_storage.demo.errors import DemoError, WrongUseError
from recording_storage.domain.amounts import format_bytes
from recording_storage.domain.system_errors import plain_reason

PREFIX = "recording-storage-demo-"
_LOCK = ".lock"
NEEDED = 300 << 20
"""Bytes: etcd's log takes half of it at once."""


@dataclass
class Folder:
    """Locked by the demo and by every part that it starts, so that a killed one's is nobody's when all have ended."""

    root: Path
    lock: int
    """The file descriptor that holds the lock."""
    temporary: bool = True
    _open: bool = field(default=True, repr=False)

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def shut_file(self) -> Path:
        return self.root / "s3-is-down"

    @property
    def operator_token(self) -> Path:
        return self.root / "operator.token"

    @property
    def uploader_token(self) -> Path:
        return self.root / "uploader.token"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    def close(self) -> None:
        """Remove it, if it is temporary."""
        if not self._open:
            return
        self._open = False
        if self.temporary:
            shutil.rmtree(self.root, ignore_errors=True)
        else:
            (self.root / _LOCK).unlink(missing_ok=True)
        os.close(self.lock)


def open_folder(chosen: Path | None) -> Folder:
    """A temporary one, or the one that was chosen, which has to be new or empty. Raises DemoError, WrongUseError."""
    try:
        if chosen is None:
            root = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        else:
            root = chosen.resolve()
            root.mkdir(parents=True, exist_ok=True)
            if any(root.iterdir()):
                raise WrongUseError(
                    f"--dir {chosen}: there is something in it already; name a new folder, or an empty one"
                )
        folder = Folder(root, lock=_lock(root), temporary=chosen is None)
        folder.spool.mkdir()
    except OSError as error:
        if chosen is not None:
            raise WrongUseError(f"--dir {chosen}: {plain_reason(error)}; name another folder") from None
        raise DemoError(
            f"no working folder can be made below {tempfile.gettempdir()}: {plain_reason(error)}; "
            "--dir, or TMPDIR, names another one"
        ) from None
    return folder


def require_space(root: Path, *, media: int, needed: int = NEEDED) -> None:
    """Raise DemoError where the volume is too full: what runs there would only say so in words of its own.

    Args:
        root: the demo's folder.
        media: bytes of the person's own files; they are kept in the spool and by the S3 server.
        needed: bytes besides.
    """
    free, wanted = shutil.disk_usage(root).free, needed + 2 * media
    if free < wanted:
        raise DemoError(
            f"{root.parent} has {format_bytes(free)} free, the demo needs {format_bytes(wanted)}: "
            "--dir, or TMPDIR, names another folder"
        )


def remove_leftovers() -> list[Path]:
    """Remove the temporary folders of demos that have ended without doing so; which.

    A folder is taken only if it is this user's and its lock can be had: nothing of that demo runs any more.
    """
    removed = []
    for root in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            if root.is_symlink() or root.stat().st_uid != os.getuid():
                continue
            lock = os.open(root / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(root)
                removed.append(root)
            finally:
                os.close(lock)
    return removed


def _lock(root: Path) -> int:
    """The lock's file gets its name when it is locked: nobody ever sees one that isn't and takes us for dead."""
    part = root / f"{_LOCK}.part"
    lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    part.rename(root / _LOCK)
    return lock
