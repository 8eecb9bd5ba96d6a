"""A recording's file while it is uploaded: the bytes that were found, and no others."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from recording_storage.uploader.core.recording import REMOVED, Reason
from recording_storage.uploader.spool.walk import identity_of, open_media
from recording_storage.uploader.spool.writers import Writers, writers
from recording_storage.uploader.transfer.task import FileProblemError, StoppedError

if TYPE_CHECKING:
    import threading

    from recording_storage.uploader.transfer.task import Surroundings, Task

_PIECE = 1 << 20


class SourceFile:
    """A recording's file while it is uploaded: read with `pread`, checked against what was found."""

    def __init__(self, task: Task, *, surroundings: Surroundings, check: bool = True) -> None:
        """Open it; without `check`, whoever reads it asks `require_same` afterwards. Raises FileProblemError."""
        self._recording = task.recording
        self._is_reopened = surroundings.is_reopened
        self.size = task.recording.identity.size
        try:
            self.fd = open_media(surroundings.spool.root, task.recording.path)
        except FileNotFoundError:
            raise FileProblemError(Reason.FILE_MISSING, REMOVED) from None
        except OSError as error:
            raise FileProblemError(Reason.UNREADABLE, f"the file can't be read: {error.strerror}") from None
        try:
            if check:
                self.require_same()
        except FileProblemError:
            self.close()
            raise

    def require_same(self) -> None:
        """Raise FileProblemError when the open file is not what was found any more."""
        if identity_of(os.fstat(self.fd)) != self._recording.identity:
            raise FileProblemError(Reason.CHANGED_WHILE_UPLOADING, "the file changed before it was stored")

    def require_finished(self) -> None:
        """The same, and nobody writes to it again: what was found during an outage may be uploaded a day later."""
        users = writers(self.fd)
        if users is Writers.SOME:
            raise _in_use("open for writing again")
        if users is Writers.UNKNOWN and self._is_reopened(self._recording.path, self.fd):
            raise _in_use("open again")
        self.require_same()

    def require_same_as_sent(self) -> None:
        """The same after the object was made: raises FileProblemError when that is not the recording any more."""
        try:
            self.require_same()
        except FileProblemError as problem:
            problem.left_object = True
            raise

    def read_into(self, buffer: memoryview, *, offset: int) -> None:
        """Fill the buffer. Raises FileProblemError when the file is shorter by now, or can't be read."""
        done = 0
        try:
            while done < len(buffer):
                count = os.preadv(self.fd, [buffer[done:]], offset + done)
                if count == 0:
                    raise FileProblemError(Reason.CHANGED_WHILE_UPLOADING, "the file became shorter while it was read")
                done += count
        except OSError as error:
            raise FileProblemError(Reason.UNREADABLE, f"the file can't be read: {error.strerror}") from None

    def sha256(self, *, stop: threading.Event) -> str:
        """Of the whole file, in hexadecimal. Raises FileProblemError, or StoppedError when there is no time left."""
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(min(_PIECE, self.size)))
        for offset in range(0, self.size, _PIECE):
            if stop.is_set():
                raise StoppedError
            body = buffer[: self.size - offset]
            self.read_into(body, offset=offset)
            digest.update(body)
        self.require_same()
        return digest.hexdigest()

    def close(self) -> None:
        os.close(self.fd)


def _in_use(how: str) -> FileProblemError:
    return FileProblemError(
        Reason.CHANGED_WHILE_UPLOADING,
        f"somebody has the file {how}, before it was stored; it is taken when it is closed",
    )
