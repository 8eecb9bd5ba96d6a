"""Is anybody writing to a file? Asked of the kernel, which knows.

A read lease is refused while the file is open for writing anywhere on this node, under whatever name. It is let go at
once: whoever opens the file for writing while one is held has to wait for us. A broken lease raises SIGIO, whose
default is to end the process: `ignore_lease_breaks` must have run in the main thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from enum import Enum
from functools import cache
from pathlib import Path

from recording_storage.uploader.spool.filesystem import network_file_system

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


@cache
def may_lease_all() -> bool:
    """Whether this process gets a lease of every user's file: it has CAP_LEASE, and may read all files."""
    lease, override, read_search = 1 << 28, 1 << 1, 1 << 2
    try:
        status = Path("/proc/self/status").read_text()
        users = Path("/proc/self/uid_map").read_text().split()
    except OSError:
        return False
    held = next((int(line[7:], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    # in a user namespace a capability is of no use for the files of users that it doesn't know
    return bool(held & lease and held & (override | read_search)) and users == ["0", "0", "4294967295"]


def may_lease(owner: int) -> bool:
    """Whether a lease may be had of a file of this user."""
    return owner == os.geteuid() or may_lease_all()


def writers(fd: int) -> Writers:
    """Ask about a file open for reading only."""
    if _SETLEASE is None:
        return Writers.UNKNOWN
    try:
        fcntl.fcntl(fd, _SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EBUSY, errno.ETXTBSY):
            return Writers.UNKNOWN if _is_remote(fd) else Writers.SOME
        return Writers.UNKNOWN
    fcntl.fcntl(fd, _SETLEASE, fcntl.F_UNLCK)
    return Writers.NONE


def _is_remote(fd: int) -> bool:
    try:
        return network_file_system(fd) is not None
    except OSError:
        return False
