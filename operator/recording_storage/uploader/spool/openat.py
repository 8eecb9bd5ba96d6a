"""Names beneath a spool, reached without following a link: what a folder was when it was walked says nothing later.

A name in the spool's own folder can be no link's doing. For any other, each folder on the way is opened by itself and
refused if it is a link; what is done there goes by that folder's descriptor. Nothing is kept open in between.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from recording_storage.uploader.spool.folder import FOLDER

_NONE_OF_THAT_NAME = frozenset({errno.ENOENT, errno.ENAMETOOLONG})
_TO_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_THROUGH = _TO_READ | getattr(os, "O_PATH", 0)
"""Going through a folder needs no right to list it."""
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Location(NamedTuple):
    """A name in a folder. Every call raises OSError, but for a name that isn't there where it says so."""

    dir_fd: int | None
    """The folder, open; None: `prefix` leads to it."""
    prefix: str
    name: str

    @property
    def path(self) -> str:
        """For calls that take `dir_fd`."""
        return self.prefix + self.name

    def sibling(self, name: str) -> Location:
        """Another name in the same folder."""
        return Location(self.dir_fd, self.prefix, name)

    def status(self) -> os.stat_result | None:
        """Of the name itself; None: it isn't there."""
        try:
            return os.lstat(self.prefix + self.name, dir_fd=self.dir_fd)
        except OSError as error:
            if error.errno in _NONE_OF_THAT_NAME:
                return None
            raise

    def open(self) -> int:
        """A descriptor for reading; never of a link, never waiting on a FIFO."""
        return os.open(self.prefix + self.name, _FILE, dir_fd=self.dir_fd)

    def unlink(self) -> None:
        """One that isn't there is no error."""
        try:
            os.unlink(self.prefix + self.name, dir_fd=self.dir_fd)
        except OSError as error:
            if error.errno not in _NONE_OF_THAT_NAME:
                raise

    def rename(self, target: Location) -> None:
        os.rename(self.path, target.path, src_dir_fd=self.dir_fd, dst_dir_fd=target.dir_fd)

    def is_same_file(self, other: Location) -> bool:
        """Whether both names are there and are one file's."""
        one = self.status()
        two = other.status() if one is not None else None
        return one is not None and two is not None and os.path.samestat(one, two)


class located:  # noqa: N801 - used as a function; a generator costs more than what is done with most files
    """A path relative to the spool, as a Location for as long as the context lasts.

    Raises:
        FileNotFoundError: a folder on the way is gone.
        NotADirectoryError: one is a link, or no folder, by now.
        OSError: as the system says.
    """

    __slots__ = ("_fd", "_path", "_root")

    def __init__(self, root: str, path: str) -> None:
        self._root = root
        self._path = path
        self._fd: int | None = None

    def __enter__(self) -> Location:
        folder, slash, name = self._path.rpartition("/")
        if not slash or folder == FOLDER:  # our own is where whoever runs us wants it
            return Location(None, f"{self._root}/{folder}{slash}", name)
        self._fd = open_folder(self._root, folder)
        return Location(self._fd, "", name)

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)


def open_folder(root: str, folder: str, *, to_read: bool = False) -> int:
    """A folder's descriptor; `to_read` for more than going through it. Raises as `located`."""
    *outer, last = folder.split("/")
    fd: int | None = None
    try:
        for part in outer:
            fd = _inner(root, part, _THROUGH, fd)
        return _inner(root, last, _TO_READ if to_read else _THROUGH, fd)
    except BaseException:
        if fd is not None:
            os.close(fd)
        raise


def _inner(root: str, name: str, flags: int, outer: int | None) -> int:
    """A folder in one that is open, which is closed then; in the spool's own where there is none."""
    fd = os.open(name if outer is not None else f"{root}/{name}", flags, dir_fd=outer)
    if outer is not None:
        os.close(outer)
    return fd
