"""What the standard library doesn't have of file systems: which kind one is, how full, renaming without overwriting."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import sys
from typing import TYPE_CHECKING

from recording_storage.uploader.core.fault_points import fault_point

if TYPE_CHECKING:
    from pathlib import Path

    from recording_storage.uploader.spool.openat import Location

log = logging.getLogger(__name__)

_NETWORK_MAGIC = {
    0x6969: "nfs",
    0xFF534D42: "cifs",
    0xFE534D42: "smb2",
    0x517B: "smb",
    0x00C36400: "ceph",
    0x01021997: "9p",
    0x65735546: "fuse",  # sshfs, gluster, s3fs, …: what another node writes there is not seen here
    0x5346414F: "afs",
    0x6B414653: "kafs",
    0x73757245: "coda",
    0x19830326: "beegfs",
    0x0BD00BD0: "lustre",
    0x47504653: "gpfs",
    0x01161970: "gfs2",
    0x7461636F: "ocfs2",
    0x20030528: "orangefs",
    0x786F4256: "vboxsf",
}
"""From linux/magic.h and the file systems' own headers."""


def network_file_system(place: str | int) -> str | None:
    """The name of the network file system that a path or a descriptor is on; None for a local one.

    Raises:
        OSError: it can't be told.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(256)  # struct statfs is 120 bytes; f_type is its first word
    code = libc.fstatfs(place, buffer) if isinstance(place, int) else libc.statfs(os.fsencode(place), buffer)
    if code != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return _NETWORK_MAGIC.get(ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF)


class FileSystems:
    """Which of a spool's file systems are network ones: a volume may be mounted anywhere below it. One thread's."""

    def __init__(self) -> None:
        self._names: dict[int, str | None] = {}
        self._told: set[int] = set()

    def ask_again(self) -> None:
        """Others may be mounted by now, and get a device's number that was another's."""
        self._names.clear()

    def is_network(self, device: int, path: str) -> bool:
        """Whether the device (`st_dev`) that the file `path` is on belongs to one; True where that can't be told."""
        if device not in self._names:
            try:
                name = self._names[device] = network_file_system(path)
            except OSError:
                return True  # nothing is taken for local that may be none
            if name is None:
                self._told.discard(device)
            elif device not in self._told:
                self._told.add(device)
                log.warning(
                    "%s is on %s: only .done markers and renames into place prove a file there finished", path, name
                )
        return self._names[device] is not None


def space(folder: Path) -> tuple[int, int] | None:
    """Free bytes (for us) and all bytes of the volume; None when it can't be told."""
    try:
        answer = os.statvfs(folder)
    except OSError:
        return None
    return answer.f_bavail * answer.f_frsize, answer.f_blocks * answer.f_frsize


def rename_without_overwriting(source: Location, target: Location) -> bool:
    """Rename in one step, or by a second name where the file system can't; whether it has its new name.

    False, and nothing has happened: the new name is taken, or can't be had without the danger of overwriting something.

    Raises:
        OSError: neither can be done.
    """
    code = _rename_exclusively(source, target)
    if code in (errno.ENOSYS, errno.EINVAL):
        return _link_and_unlink(source, target)
    if code in (0, errno.EEXIST):
        return code == 0
    raise OSError(code, os.strerror(code), source.path)


def _rename_exclusively(source: Location, target: Location) -> int:
    """By `renameat2`, which the standard library doesn't have; the error, 0 for none."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return errno.ENOSYS
    at_cwd, no_replace = -100, 1
    places = [(at_cwd if one.dir_fd is None else one.dir_fd, os.fsencode(one.path)) for one in (source, target)]
    if function(*places[0], *places[1], no_replace) == 0:
        return 0
    return ctypes.get_errno()


def _link_and_unlink(source: Location, target: Location) -> bool:
    try:
        os.link(source.path, target.path, src_dir_fd=source.dir_fd, dst_dir_fd=target.dir_fd, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):  # no second names here
            return False
        raise
    fault_point("put-back-linked")
    source.unlink()
    return True
