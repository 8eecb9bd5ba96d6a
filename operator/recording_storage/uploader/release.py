"""The one place where files are removed from a spool."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import RecordingState
from recording_storage.uploader import rows
from recording_storage.uploader.entry import EntryError, Reason
from recording_storage.uploader.faults import fault_point
from recording_storage.uploader.lease import Writers, writers
from recording_storage.uploader.metadata import SUFFIX
from recording_storage.uploader.spool import fsync_folder
from recording_storage.uploader.walk import MARKER, identity_of, open_media

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from recording_storage.uploader.entry import Recording
    from recording_storage.uploader.journal import Journal
    from recording_storage.uploader.ports import Clock

log = logging.getLogger(__name__)


class ChangedError(Exception):
    """The file is not the one that the journal knows, or it is in use; the message says which."""


class CantRemoveError(ChangedError):
    """It is the file, but it can't be removed."""


class Releaser:
    """Removes files whose recordings need them no more, after proving once more that they are what they were."""

    def __init__(self, root: Path, *, journal: Journal, clock: Clock) -> None:
        self._root = root
        self._journal = journal
        self._clock = clock

    def release(self, recordings: Sequence[Recording]) -> tuple[list[Recording], list[Recording]]:
        """Remove the files of `reported` recordings; those that are released, and those that are parked instead.

        Raises:
            JournalError: the files are gone, and the journal will hear of it at the next call or start.
        """
        changes: list[rows.Change] = []
        removed: list[Recording] = []
        folders: set[str] = set()
        fault_point("before-release")
        for recording in recordings:
            try:
                self._remove(recording, folders)
            except ChangedError as error:
                problem = EntryError(FailureClass.FILE.value, Reason.CHANGED_AFTER_UPLOAD.value, str(error))
                changes.append(rows.Change(recording, RecordingState.PARKED, error=problem))
                log.error("%s (%s) is stored but stays, parked: %s", recording.path, recording.sid, error)  # noqa: TRY400
                continue
            removed.append(recording)
            changes.append(rows.Change(recording, RecordingState.RELEASED))
        self._fsync(folders)
        fault_point("before-released")
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> None:
            rows.apply(connection, changes, now=now)

        self._journal.run(work)
        fault_point("after-released")
        kept = [change.recording for change in changes if change.after is RecordingState.PARKED]
        return removed, kept

    def delete(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Remove the files of recordings that ended as `deleted` without being stored.

        Gives those whose files are gone, or are other files by now: new recordings.
        """
        removed = []
        folders: set[str] = set()
        for recording in recordings:
            try:
                self._remove(recording, folders)
            except ChangedError as error:
                log.error("%s was to be deleted and stays: %s", recording.path, error)  # noqa: TRY400 - no defect
                if isinstance(error, CantRemoveError):
                    continue
            removed.append(recording)
        self._fsync(folders)
        return removed

    def _remove(self, recording: Recording, folders: set[str]) -> None:
        """Marker, media, metadata, in this order: whatever is left by a crash can't be taken for a new recording."""
        full = f"{os.fspath(self._root)}/{recording.path}"
        there = self._prove(recording)
        try:
            if there:
                _unlink(full + MARKER)
                fault_point("marker-removed")
                _unlink(full)
                fault_point("media-removed")
            if there or (not os.path.lexists(full) and self._is_left_over(full + SUFFIX, recording)):
                _unlink(full + SUFFIX)
            fault_point("metadata-removed")
        except OSError as error:
            raise CantRemoveError(f"it can't be removed: {error.strerror}") from error
        folders.add(os.path.dirname(full))  # noqa: PTH120 - a thousand of them

    def _prove(self, recording: Recording) -> bool:
        """Whether the file is there, the same, and unused; raises ChangedError when it is another or in use."""
        try:
            fd = open_media(self._root, recording.path)
        except FileNotFoundError:
            return False  # removed before a crash, or by somebody: what counts is stored
        except OSError as error:
            raise ChangedError(f"it can't be looked at: {error.strerror}") from error
        try:
            found = identity_of(os.fstat(fd))
            if found.inode != recording.identity.inode and found[1:] != recording.identity[1:]:
                return False  # ours was replaced: what has its name now is a recording of its own
            if found != recording.identity:
                raise ChangedError("the file was changed or replaced after it was stored")
            if writers(fd) is Writers.SOME:
                raise ChangedError("somebody has the file open for writing")
        finally:
            os.close(fd)
        return True

    def _is_left_over(self, path: str, recording: Recording) -> bool:
        """Metadata beside a file that is gone: ours when it was there before, a coming recording's when it is newer."""
        try:
            return os.lstat(path).st_mtime <= recording.found_at
        except OSError:
            return False

    def _fsync(self, folders: set[str]) -> None:
        from pathlib import Path  # noqa: PLC0415 - only here

        for folder in folders:
            try:
                fsync_folder(Path(folder))
            except FileNotFoundError:
                continue
            except OSError as error:  # the worst that may come of it is a file that is back after a power cut
                log.warning("the folder %s can't be made durable: %s", folder, error.strerror)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108 - a thousand of them
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # then there can be nothing of that name
            raise
