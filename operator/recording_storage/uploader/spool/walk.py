"""Walking a spool: which files are media, and what lies beside them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from recording_storage.uploader.core.recording import Identity
from recording_storage.uploader.spool.folder import FOLDER
from recording_storage.uploader.spool.openat import Location, located, open_folder
from recording_storage.uploader.spool.quarantine import SUFFIX as ASIDE
from recording_storage.uploader.spool.sidecar_file import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MARKER = ".done"
_COARSE_NS = 2 * 10**9
"""How far apart two times of one moment can be: the coarsest file systems count in two seconds."""
_MOST = 2**63 - 1
"""What the journal's integers hold; some file systems give inodes and times beyond."""
_OF_THE_FILE_SYSTEM = "lost+found"
"""A volume's own folder, which nobody but root may read: no recorder's."""
_UNFINISHED = (".tmp", ".part")


class FoundFile(NamedTuple):
    """A regular file that may be a recording."""

    path: str
    """Relative to the spool."""
    identity: Identity
    marker: bool
    """There is one, and it is no older than the file: a stray one says nothing of the next file of its name."""
    metadata: bool
    device: int
    """`st_dev`: what is mounted below a spool is another file system."""
    owner: int
    links: int
    """How many names it has."""


def is_media_name(name: str) -> bool:
    """Whether a name can be a recording's: no dotfile, nothing temporary, no marker, no metadata."""
    return not (name.startswith(".") or name.endswith(_UNFINISHED) or name.endswith((MARKER, SUFFIX)))


def media_of(name: str) -> str:
    """The media that a marker or a metadata file belongs to; any other name itself."""
    return name.removesuffix(MARKER) if name.endswith(MARKER) else name.removesuffix(SUFFIX)


def identity_of(status: os.stat_result) -> Identity:
    return Identity(status.st_ino & _MOST, status.st_size, max(-_MOST, min(status.st_mtime_ns, _MOST)))


def is_another(status: os.stat_result, identity: Identity) -> bool:
    """Whether it is neither the file of that identity, changed or not, nor a copy of it."""
    found = identity_of(status)
    return found.inode != identity.inode and found[1:] != identity[1:]


class Walker:
    """Walks folders without ever following a link out of them."""

    def __init__(
        self,
        root: Path,
        *,
        folder_seen: Callable[[str], None],
        left_aside: Callable[[str, str], str | None],
        odd: Callable[[str, str], None],
    ) -> None:
        """Take who hears of what is there.

        Args:
            root: the spool.
            folder_seen: told each folder before it is read, relative, "" for the root.
            left_aside: told folder and name of what a release has left aside; gives the path that it has again.
            odd: told each thing that is left alone, and why.
        """
        self._root = os.fspath(root)
        self._left_aside = left_aside
        self._folder_seen = folder_seen
        self._odd = odd

    def walk(self) -> Iterator[FoundFile]:
        """Every file that may be a recording. Raises OSError when the root itself can't be read."""
        yield from self._from_our_folder()
        folders = [""]
        while folders:
            folder = folders.pop()
            self._folder_seen(folder)
            try:
                fd, found = self._open(folder)
            except OSError as error:
                if not folder:
                    raise
                if not isinstance(error, FileNotFoundError) and folder != _OF_THE_FILE_SYSTEM:
                    name = folder if _is_text(folder) else ascii(folder)
                    self._odd(name, f"the folder can't be read ({error.strerror}): let uid {os.geteuid()} read it")
                continue
            try:
                yield from self._in(folder, found, folders, fd=fd)
            finally:
                os.close(fd)

    def _open(self, folder: str) -> tuple[int, list[os.DirEntry[str]]]:
        """Its descriptor, which what it holds goes by. Raises OSError, also when it has become a link."""
        fd = (
            open_folder(self._root, folder, to_read=True)
            if folder
            else os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        )
        try:
            with os.scandir(fd) as entries:
                return fd, list(entries)
        except OSError:
            os.close(fd)
            raise

    def _in(self, folder: str, found: list[os.DirEntry[str]], folders: list[str], *, fd: int) -> Iterator[FoundFile]:
        """The files among what a folder holds; its own folders are put to the others."""
        names = {entry.name for entry in found}
        for entry in found:
            if entry.name.startswith("."):
                if entry.name.endswith(ASIDE):
                    yield from self._again(folder, entry.name)
                continue
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif is_media_name(entry.name):
                file = self._file(entry, path, names, Location(fd, "", entry.name))
                if file is not None:
                    yield file

    def _from_our_folder(self) -> Iterator[FoundFile]:
        """What a release has moved there and could not put back at once, because the volume was full, say."""
        try:
            names = os.listdir(f"{self._root}/{FOLDER}")  # noqa: PTH208
        except OSError:
            return  # the journal is in it: others tell of that
        for name in names:
            if name.endswith(ASIDE):
                yield from self._again(FOLDER, name)

    def one(self, path: str) -> FoundFile | None:
        """A single file, looked at by name."""
        try:
            with located(self._root, path) as media:
                status = media.status()
                if status is None or not self._is_regular(status.st_mode, path):
                    return None
                metadata = media.sibling(media.name + SUFFIX).status() is not None
                return _found(path, status, marker=_is_marked(media, status), metadata=metadata)
        except OSError:
            return None

    def has(self, path: str) -> bool:
        """Whether anything has that name, as far as can be told."""
        try:
            os.lstat(f"{self._root}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    def _again(self, folder: str, name: str) -> Iterator[FoundFile]:
        """What a release has left aside and is a file like any other again."""
        path = self._left_aside(folder, name)
        if path is not None and (file := self.one(path)) is not None:
            yield file

    def _file(self, entry: os.DirEntry[str], path: str, names: set[str], media: Location) -> FoundFile | None:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return None  # gone since the folder was read
        if not self._is_regular(status.st_mode, path):
            return None
        marker = entry.name + MARKER in names and _is_marked(media, status)
        return _found(path, status, marker=marker, metadata=entry.name + SUFFIX in names)

    def _is_regular(self, mode: int, path: str) -> bool:
        if not path.isascii() and not _is_text(path):
            self._odd(ascii(path), "its name is no UTF-8: rename it")
            return False
        if stat.S_ISREG(mode):
            return True
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
        self._odd(path, f"it is {kind}: put the file itself here")
        return False


def _found(path: str, status: os.stat_result, *, marker: bool, metadata: bool) -> FoundFile:
    return FoundFile(
        path, identity_of(status), marker, metadata, status.st_dev, owner=status.st_uid, links=status.st_nlink
    )


def _is_marked(media: Location, status: os.stat_result) -> bool:
    try:
        marker = media.sibling(media.name + MARKER).status()
    except OSError:
        return False
    return marker is not None and marker.st_mtime_ns >= status.st_mtime_ns - _COARSE_NS


def _is_text(path: str) -> bool:
    """Whether a name is UTF-8; Python holds other bytes as surrogates, which neither journal nor JSON can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_media(root: Path, path: str) -> int:
    """A descriptor for reading; never of a link or beyond one, never waiting on a FIFO. Raises OSError."""
    with located(os.fspath(root), path) as media:
        return media.open()
