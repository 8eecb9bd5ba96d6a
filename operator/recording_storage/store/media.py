"""The store's own media storage: recordings made while external storage is off, below one folder.

A recording arrives piece by piece in `SID.part`, beside where it will be. Once all of it is there and its SHA-256 is
the announced one: fsync, rename to `SID`, fsync of the folder. Paths come from sids alone, never from a name that
somebody chose. The file system is the truth about offsets; whether a recording is complete says the database.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path

from recording_storage.domain.sids import SidPrefix, is_sid

RESERVE_BYTES = 256 * 2**20
"""Kept free on the volume: the database and its log may live there, too."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PART = ".part"


class MediaError(Exception):
    """A media request that is refused."""


class OffsetError(MediaError):
    """The bytes don't begin where the present ones end, or another upload of the recording is at work."""

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message)
        self.offset = offset
        """Bytes that are here."""


class MediaTooLargeError(MediaError):
    """More bytes than the recording has, or than this store takes."""


class StorageFullError(MediaError):
    """The media volume has no room; trying again later makes sense."""


class ChecksumError(MediaError):
    """What arrived is not what was announced; it has been discarded."""


@dataclass(frozen=True)
class MediaKey:
    """Names a recording's media; refuses anything but sids."""

    account_sid: str
    sid: str

    def __post_init__(self) -> None:
        if not is_sid(self.account_sid, SidPrefix.ACCOUNT) or not is_sid(self.sid):
            raise ValueError("media is named by an account's and a recording's sid")

    @property
    def path(self) -> str:
        """Below the media folder. 256 folders an account keep each small enough to list."""
        return f"{self.account_sid}/{self.sid[2:4]}/{self.sid}"


@dataclass(frozen=True)
class StoredMedia:
    path: str
    """Below the media folder."""
    size: int
    sha256: str


@dataclass(frozen=True)
class Kept:
    """A file in the media folder."""

    key: MediaKey
    partial: bool
    changed_at: float
    """Seconds since 1970: its last byte, or its rename."""


class Appender:
    """Bytes being added at the end of a partial file."""

    def __init__(self, file: FileIO, *, offset: int, limit: int) -> None:
        self._file = file
        self.offset = offset
        self._limit = limit

    def write(self, data: bytes) -> None:
        """Add bytes. Raises MediaTooLargeError, StorageFullError."""
        if self.offset + len(data) > self._limit:
            raise MediaTooLargeError(f"the recording has {self._limit} bytes, more were sent")
        rest = memoryview(data)
        while rest:
            with _room():
                written = self._file.write(rest)
            self.offset += written
            rest = rest[written:]


class MediaFolder:
    """The folder of `--media`; thread-safe, also across processes that share the folder."""

    def __init__(self, root: Path, *, max_bytes: int, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.root = root
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes

    def file(self, path: str) -> Path:
        """Where a complete recording's media is; `path` as StoredMedia has it."""
        return self.root / path

    def offset(self, key: MediaKey) -> int:
        """How many bytes have arrived."""
        for file in (self._part(key), self.file(key.path)):
            with suppress(FileNotFoundError):
                return file.stat().st_size
        return 0

    @contextmanager
    def append(self, key: MediaKey, *, offset: int, size: int) -> Iterator[Appender]:
        """Go on at `offset`; what was written stays, however the block ends.

        Args:
            key: the recording.
            offset: bytes that the caller believes to be here.
            size: bytes that the whole recording has.

        Raises:
            OffsetError, MediaTooLargeError, StorageFullError.

        """
        if size > self._max_bytes:
            raise MediaTooLargeError(f"this store takes recordings of up to {self._max_bytes} bytes")
        self._require_room(size - offset)
        with self._locked(key, self._part(key), make=True) as file:
            present = os.fstat(file.fileno()).st_size
            if self.file(key.path).exists():
                self._part(key).unlink()
                raise OffsetError("all of it has arrived", offset=self.file(key.path).stat().st_size)
            if present != offset:
                raise OffsetError(f"{present} bytes are here, not {offset}", offset=present)
            file.seek(offset)
            yield Appender(file, offset=offset, limit=size)

    def complete(self, key: MediaKey, *, size: int, sha256: str) -> StoredMedia:
        """Check the whole and put it in its place; the same again when it is there already.

        Raises OffsetError when bytes are missing, ChecksumError when what came is something else, StorageFullError.
        """
        final = self.file(key.path)
        if final.exists():  # renamed before, but a crash kept the database from knowing
            with self._locked(key, final) as file:
                return self._checked(key, file, size=size, sha256=sha256, discard=final)
        with self._locked(key, self._part(key), make=True) as file:
            stored = self._checked(key, file, size=size, sha256=sha256, discard=self._part(key))
            with _room():
                os.fsync(file.fileno())
            self._part(key).rename(final)
            _sync_folder(final.parent)
        return stored

    def delete(self, key: MediaKey) -> None:
        """Delete what is here of it, complete or not; that nothing is here is fine."""
        for file in (self._part(key), self.file(key.path)):
            file.unlink(missing_ok=True)

    def folders(self) -> list[str]:
        """Where files may be, below the media folder; one account's each."""
        return sorted(
            str(folder.relative_to(self.root))
            for account in self.root.iterdir()
            if is_sid(account.name, SidPrefix.ACCOUNT) and account.is_dir()
            for folder in account.iterdir()
            if folder.is_dir()
        )

    def kept(self, folder: str) -> list[Kept]:
        """The files in one of the folders; what is not named as ours is nobody's business."""
        found = []
        account_sid = folder.partition("/")[0]
        with os.scandir(self.root / folder) as entries:
            for entry in entries:
                with suppress(ValueError, FileNotFoundError):
                    key = MediaKey(account_sid, entry.name.removesuffix(_PART))
                    found.append(Kept(key=key, partial=entry.name.endswith(_PART), changed_at=entry.stat().st_ctime))
        return found

    def discard(self, file: Kept, *, still: Callable[[Kept], bool]) -> bool:
        """Remove a leftover; False when it stays, because an upload of it is at work or has been meanwhile.

        Args:
            file: as `kept` has found it.
            still: asked, with the file as it is by now, once no upload can change it any more.

        """
        path = self._part(file.key) if file.partial else self.file(file.key.path)
        with suppress(OffsetError), self._locked(file.key, path) as present:
            if still(replace(file, changed_at=os.fstat(present.fileno()).st_ctime)):
                path.unlink(missing_ok=True)
                return True
        return False

    def _part(self, key: MediaKey) -> Path:
        return self.root / (key.path + _PART)

    def _checked(self, key: MediaKey, file: FileIO, *, size: int, sha256: str, discard: Path) -> StoredMedia:
        present = os.fstat(file.fileno()).st_size
        if present < size:
            raise OffsetError(f"{present} of {size} bytes are here", offset=present)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if present > size or digest != sha256.lower():
            discard.unlink(missing_ok=True)
            raise ChecksumError("size or SHA-256 is not that of what arrived, which has been discarded; send it again")
        return StoredMedia(path=key.path, size=present, sha256=digest)

    @contextmanager
    def _locked(self, key: MediaKey, path: Path, *, make: bool = False) -> Iterator[FileIO]:
        """The partial or the complete file, locked against other uploads of the same recording and the sweep.

        Raises OffsetError when another has it, or it is not there; with `make` it is made then.
        """
        flags = os.O_RDWR | os.O_CLOEXEC
        if make:
            flags |= os.O_CREAT
            with _room():
                self._make_folder(path.parent)
        try:
            with _room():
                descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            raise OffsetError("another upload of it has just ended", offset=self.offset(key)) from None
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OffsetError("another upload of it is at work", offset=self.offset(key)) from None
            if not _is_at(file, path):  # completed, discarded or deleted between open and lock
                raise OffsetError("another upload of it has just ended", offset=self.offset(key))
            yield file

    def _make_folder(self, folder: Path) -> None:
        """Make it so that it survives a power cut: a folder's own name is in its parent."""
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)

    def _require_room(self, size: int) -> None:
        free = shutil.disk_usage(self.root).free
        if free - size < self._reserve_bytes:
            raise StorageFullError("the store's media volume is full; more room is needed there")


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError("the store's media volume is full; more room is needed there") from error
        raise
