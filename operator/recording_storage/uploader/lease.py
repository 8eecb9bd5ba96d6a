"""Is anybody writing to a file? Asked of the kernel, which knows.

A read lease is refused while the file is open for writing anywhere on this node, under whatever name. It is let go at
once: whoever opens the file for writing while one is held has to wait for us. A broken lease raises SIGIO, whose
default is to end the process: `ignore_lease_breaks` must have run in the main thread.
"""

from __future__ import annotations

import errno
import fcntl
import signal
from enum import Enum

from recording_storage.uploader.filesystem import network_file_system

_SETLEASE = getattr(fcntl, "F_SETLEASE", None)


class Writers(Enum):
    """What the kernel says."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"
    """Leases can't be had here: another owner's file, a file system without them, another system than Linux.

    On a network file system a refusal says nothing: NFS gives none without a delegation, CIFS none without an oplock.
    """


def ignore_lease_breaks() -> None:
    if hasattr(signal, "SIGIO"):
        signal.signal(signal.SIGIO, signal.SIG_IGN)


def writers(fd: int) -> Writers:
    """Ask about a file open for reading only."""
    if _SETLEASE is None:
        return Writers.UNKNOWN
    try:
        fcntl.fcntl(fd, _SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EBUSY, errno.ETXTBSY) and network_file_system(fd) is None:
            return Writers.SOME
        return Writers.UNKNOWN
    fcntl.fcntl(fd, _SETLEASE, fcntl.F_UNLCK)
    return Writers.NONE
