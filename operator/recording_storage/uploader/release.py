"""The one place where files are removed from a spool.

A file whose name others know can be replaced at any moment, even between the last look at it and its removal. So it is
moved aside first, looked at there, and then removed; if it is not the recorded one, it gets its name back.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from typing import TYPE_CHECKING

from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import RecordingState
from recording_storage.uploader import moves, rows
from recording_storage.uploader.aside import is_same_file, leftover_of, places, put_back
from recording_storage.uploader.entry import EntryError, Reason
from recording_storage.uploader.faults import fault_point
from recording_storage.uploader.journal import JournalError
from recording_storage.uploader.lease import Writers, writers
from recording_storage.uploader.metadata import SUFFIX
from recording_storage.uploader.spool import FOLDER, fsync_folder
from recording_storage.uploader.walk import MARKER, identity_of, is_another, open_file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from recording_storage.uploader.entry import Recording
    from recording_storage.uploader.journal import Journal
    from recording_storage.uploader.ports import Clock

log = logging.getLogger(__name__)

_TO_BE_REMOVED = frozenset({RecordingState.REPORTED, RecordingState.RELEASED, RecordingState.DELETED})
_NO_ROOM = frozenset({errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT})
"""What keeps a file from having a longer name."""


class ChangedError(Exception):
    """The file is not the one that the journal knows, or it is in use; the message says which."""


class CantRemoveError(ChangedError):
    """It is the file, but it can't be removed."""


class Releaser:
    """Removes files whose recordings need them no more, after proving once more that they are what they were."""

    def __init__(self, root: Path, *, journal: Journal, clock: Clock) -> None:
        self._root = os.fspath(root)
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        """Whatever is aside while nobody holds it was left there."""
        self.returning: Callable[[str, int], None] = _ignore
        """Told the path and the inode of a file that is about to be put back: that it comes is our own doing."""
        self.is_opened: Callable[[str], bool] = _is_unknown
        """Whether somebody was seen to open what has a path, and not to close it: asked where no lease can be had."""

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
                with self._lock:
                    self._remove(recording, folders)
            except ChangedError as error:
                problem = EntryError(FailureClass.FILE.value, Reason.CHANGED_AFTER_UPLOAD.value, str(error))
                changes.append(rows.Change(recording, RecordingState.PARKED, error=problem))
                continue
            removed.append(recording)
            changes.append(rows.Change(recording, RecordingState.RELEASED))
        self._fsync(folders)
        fault_point("before-released")
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> None:
            moves.apply(connection, changes, now=now)

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
                with self._lock:
                    self._remove(recording, folders)
            except ChangedError as error:
                log.error("%s was to be deleted and stays: %s", recording.path, error)  # noqa: TRY400 - no defect
                if isinstance(error, CantRemoveError):
                    continue
            removed.append(recording)
        self._fsync(folders)
        return removed

    def recover_own_folder(self) -> None:
        """Settle what an earlier process left aside in the uploader's own folder; before anything else is released."""
        for name in sorted(os.listdir(self._full(FOLDER))):  # noqa: PTH208
            self.recover(FOLDER, name)

    def recover(self, folder: str, name: str) -> str | None:
        """Settle a file that was left aside: it is removed if that was right, or else visible again.

        Args:
            folder: where it is, relative to the spool.
            name: its name there; one that isn't ours is left alone.

        Returns:
            The path, relative to the spool, that it has again and had not before; None when there is none.
        """
        leftover = leftover_of(folder, name)
        if leftover is None:
            return None
        with self._lock:
            aside = self._full(leftover.path)
            if not os.path.lexists(aside):
                return None  # it was being released just now
            try:
                found = self._journal.run(lambda connection: rows.select(connection, "r.sid = ?", (leftover.sid,)))
                origin = leftover.origin
                if found and leftover.path in places(found[0]):
                    origin = found[0].path
                    if found[0].state in _TO_BE_REMOVED and self._is_ours(aside, found[0]):
                        os.unlink(aside)  # noqa: PTH108
                        log.info("%s was being released when the uploader ended; it is done now", origin)
                        return None
                full = self._full(origin)
                was_visible = is_same_file(aside, full)
                back = self._put_back(aside, full)
            except (ChangedError, OSError, JournalError) as error:
                log.error("%s stays aside for now: %s", leftover.path, error)  # noqa: TRY400 - no defect
                return None
        return None if was_visible else os.path.relpath(back, self._root)

    def _remove(self, recording: Recording, folders: set[str]) -> None:
        """Marker, media, metadata, in this order: whatever is left by a crash can't be taken for a new recording."""
        full = self._full(recording.path)
        beside, elsewhere = map(self._full, places(recording))
        finished_at = max(recording.found_at, recording.identity.mtime_ns / 1e9)
        marker = _status(full + MARKER)  # looked at first: if the file is ours after that, so is the marker
        try:
            status = self._named(full, recording)
            if (status is None or status.st_nlink > 1) and self._is_left(beside, full):
                self._end(recording, beside, full)
            elif status is not None:
                finished_at = max(finished_at, status.st_ctime, marker.st_ctime if marker is not None else 0.0)
                if marker is not None and _is_as_before(full + MARKER, marker):
                    _unlink(full + MARKER)
                fault_point("marker-removed")
                if (aside := _move_aside(full, beside, elsewhere)) is not None:
                    fault_point("moved-aside")
                    self._end(recording, aside, full)
            self._remove_metadata(full + SUFFIX, finished_at)
            fault_point("metadata-removed")
        except OSError as error:
            raise CantRemoveError(f"it can't be removed: {error.strerror}") from error
        folders.add(os.path.dirname(full))  # noqa: PTH120 - a thousand of them

    def _named(self, full: str, recording: Recording) -> os.stat_result | None:
        """The status of what has the recording's name; None: it is gone, or another file has the name.

        Whether the file is in use is asked when it is aside, and only there: nobody can open it any more then.

        Raises:
            ChangedError: it is neither certainly the recorded one nor certainly another.
        """
        status = _status(full)
        if status is None or is_another(status, recording.identity):
            return None
        if identity_of(status) != recording.identity:
            raise ChangedError("the file was changed or replaced after it was stored")
        return status

    def _is_left(self, beside: str, full: str) -> bool:
        """Whether a crash has left the file aside; one that it has left both names gets rid of the second."""
        if not os.path.lexists(beside):
            return False
        if is_same_file(beside, full):
            os.unlink(beside)  # noqa: PTH108
            return False
        return True

    def _end(self, recording: Recording, aside: str, full: str) -> None:
        """Remove the file that was moved aside, or put it back where it was: now nobody can replace it any more."""
        try:
            if self._look(aside, recording) is not None:
                _unlink(aside)
                fault_point("media-removed")
                return
            if not os.path.lexists(aside):
                return
            problem: ChangedError | None = None
        except ChangedError as error:
            problem = error
        except OSError as error:
            problem = CantRemoveError(f"it can't be removed: {error.strerror}")
        fault_point("not-ours")
        if self._put_back(aside, full) == full and problem is not None:
            raise problem

    def _put_back(self, aside: str, full: str) -> str:
        """Make a file visible again; the name that it has now. Raises ChangedError: it stays aside."""
        inode = identity_of(os.lstat(aside)).inode
        try:
            back = put_back(aside, full, coming=lambda name: self.returning(os.path.relpath(name, self._root), inode))
        except OSError as error:
            message = f"it was moved aside, to {aside}, and can't be put back yet: {error.strerror}"
            raise ChangedError(message) from error
        fault_point("put-back")
        if back == full:
            log.warning("%s was moved aside and is back under its name", full)
        else:
            log.error("%s is taken: the file that had this name before is kept as %s, a new recording", full, back)
        return back

    def _is_ours(self, path: str, recording: Recording) -> bool:
        try:
            return self._look(path, recording) is not None
        except ChangedError:
            return False

    def _look(self, path: str, recording: Recording) -> os.stat_result | None:
        """The file's status when it is the recorded one and unused; None: it is gone, or another has its name.

        Raises:
            ChangedError: it is neither certainly the recorded one nor certainly another, or it is in use.
        """
        try:
            fd = open_file(path)
        except FileNotFoundError:
            return None  # removed before a crash, or by somebody: what counts is stored
        except OSError as error:
            found = _status(path)
            if found is not None and is_another(found, recording.identity):
                return None
            raise ChangedError(f"it can't be looked at: {error.strerror}") from error
        try:
            users = writers(fd)
            status = os.fstat(fd)
        finally:
            os.close(fd)  # before it is asked who has the file open: we have not
        in_use = users is Writers.SOME or (
            users is Writers.UNKNOWN and self.is_opened(os.path.relpath(path, self._root))
        )
        if is_another(status, recording.identity):
            return None  # ours was replaced: what has its name now is a recording of its own
        if identity_of(status) != recording.identity:
            raise ChangedError("the file was changed or replaced after it was stored")
        if in_use:
            raise ChangedError("somebody has the file open, and may write to it")
        return status

    def _remove_metadata(self, path: str, finished_at: float) -> None:
        """Remove what the recorder had said by then; what came later was said of the next recording of the name."""
        status = _status(path)
        if status is None:
            return
        if max(status.st_mtime, status.st_ctime) <= finished_at:
            _unlink(path)
        else:
            log.warning("%s came after the recording was finished: it stays, for the next one of that name", path)

    def _full(self, relative: str) -> str:
        return f"{self._root}/{relative}"

    def _fsync(self, folders: set[str]) -> None:
        from pathlib import Path  # noqa: PLC0415 - only here

        for folder in folders:
            try:
                fsync_folder(Path(folder))
            except FileNotFoundError:
                continue
            except OSError as error:  # the worst that may come of it is a file that is back after a power cut
                log.warning("the folder %s can't be made durable: %s", folder, error.strerror)


def _move_aside(full: str, beside: str, elsewhere: str) -> str | None:
    """The name that the file has now; None when it is gone. Raises OSError: it is where it was."""
    try:
        os.rename(full, beside)  # noqa: PTH104 - a thousand of them
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in _NO_ROOM or os.path.lexists(elsewhere):
            raise
        os.rename(full, elsewhere)  # noqa: PTH104
        return elsewhere
    return beside


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _is_as_before(path: str, before: os.stat_result) -> bool:
    now = _status(path)
    return now is not None and (now.st_ino, now.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def _ignore(_path: str, _inode: int) -> None:
    """Until somebody wants to know."""


def _is_unknown(_path: str) -> bool:
    """Until somebody knows."""
    return False


def _unlink(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108 - a thousand of them
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # then there can be nothing of that name
            raise
