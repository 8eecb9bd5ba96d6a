"""The one place where files are removed from a spool: those of recordings that need them no more."""

from __future__ import annotations

import logging
import os
import random
import threading
from typing import TYPE_CHECKING

from recording_storage.domain.amounts import counted
from recording_storage.domain.backoff import full_jitter
from recording_storage.domain.failures import FailureClass
from recording_storage.domain.states import RecordingState
from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.core.recording import EntryError, Reason
from recording_storage.uploader.journal import queries, records, transitions
from recording_storage.uploader.journal.database import JournalError
from recording_storage.uploader.spool.aliases import FileNames
from recording_storage.uploader.spool.folder import FOLDER, fsync_open_folder
from recording_storage.uploader.spool.openat import Location, located, open_folder
from recording_storage.uploader.spool.quarantine import leftover_of, places
from recording_storage.uploader.spool.removal import (
    CantRemoveError,
    ChangedError,
    InUseError,
    NamesUnknownError,
    Remover,
)
from recording_storage.uploader.spool.walk import identity_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from recording_storage.uploader.core.ports import Clock
    from recording_storage.uploader.core.recording import Recording
    from recording_storage.uploader.journal.database import Journal
    from recording_storage.uploader.spool.intake import Intake
    from recording_storage.uploader.spool.quarantine import Leftover

log = logging.getLogger(__name__)

_TO_BE_REMOVED = frozenset({RecordingState.REPORTED, RecordingState.RELEASED, RecordingState.DELETED})


class Releaser:
    """Removes files whose recordings need them no more. Thread-safe."""

    def __init__(self, root: Path, *, journal: Journal, clock: Clock) -> None:
        self._root = os.fspath(root)
        self._journal = journal
        self._clock = clock
        self._remover = Remover(self._root)
        self._lock = threading.Lock()
        """Whatever is aside while nobody holds it was left there."""
        self._undeleted: dict[int, Recording] = {}
        self._names: Callable[[Recording], FileNames] = lambda one: FileNames(one.path, ())
        self._vanished: Callable[[Recording], None] = lambda _one: None

    def ask(self, intake: Intake) -> None:
        """Take who knows the files' names and which are open, and is told of those that come back or have vanished."""
        self._remover.returning, self._remover.is_opened = intake.returning, intake.examiner.is_opened
        self._names, self._vanished = intake.aliases.names, intake.aliases.vanished.add

    def release(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Remove the files of `reported` recordings; those that are released.

        One that is another file by now is parked; one that can't be removed, or is in use, stays `reported`, with the
        error and the time of the next try.

        Raises:
            JournalError: the files are gone, and the journal will hear of it at the next call or start.
        """
        changes: list[records.Change] = []
        stuck: list[records.Change] = []
        removed: list[Recording] = []
        fault_point("before-release")
        for recording in recordings:
            names = self._names(recording)
            try:
                with self._lock:
                    was_there = self._remover.remove(_named(recording, names.path), others=names.others)
            except NamesUnknownError:
                stuck.append(records.Change(recording, RecordingState.REPORTED, retry_at=self._clock.now()))
            except ChangedError as error:
                problem = EntryError(FailureClass.FILE.value, Reason.CHANGED_AFTER_UPLOAD.value, str(error))
                changes.append(records.Change(recording, RecordingState.PARKED, error=problem))
            except CantRemoveError as error:
                stuck.append(self._stuck(recording, str(error)))
            else:
                removed.append(recording)
                changes.append(records.Change(recording, RecordingState.RELEASED))
                if not was_there:
                    self._vanished(recording)
        self._fsync(removed)
        fault_point("before-released")
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> None:
            transitions.apply(connection, changes, now=now)
            transitions.stay(connection, stuck, now=now)

        self._journal.run(work)
        fault_point("after-released")
        _tell_stuck(stuck)
        return removed

    def delete(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Remove the files of recordings that ended as `deleted` without being stored.

        Gives those whose files are gone, or are other files by now: new recordings. What can't be removed is tried
        again by `delete_again`. A name that turns up later is removed, too: one of before a rename that was not noticed
        yet, or a hard link.
        """
        removed, places = [], []
        for recording in recordings:
            names = self._names(recording)
            named = _named(recording, names.path)
            try:
                with self._lock:
                    self._remover.remove(named, others=names.others or ())
            except ChangedError as error:
                log.error("%s was to be deleted and stays: %s", recording.path, error)  # noqa: TRY400 - no defect
            except CantRemoveError as error:
                if recording.error is None or recording.error.code != Reason.NOT_REMOVABLE:
                    log.error("%s was to be deleted: %s", recording.path, error)  # noqa: TRY400 - no defect
                problem = EntryError(FailureClass.FILE.value, Reason.NOT_REMOVABLE.value, str(error))
                self._undeleted[recording.id] = stuck = recording._replace(error=problem)
                self._vanished(stuck)
                continue
            else:
                self._vanished(recording)
            removed.append(recording)
            places.append(named)
        self._fsync(places)
        return removed

    def delete_again(self) -> list[Recording]:
        """What could not be deleted before; those that are gone now."""
        again, self._undeleted = self._undeleted, {}
        return self.delete(list(again.values()))

    def finish_deleting(self, recordings: Sequence[Recording]) -> None:
        """The same for those of an earlier process, before any file is looked for: it may not have come so far."""
        there = []
        for recording in recordings:
            if self._is_there(recording):
                there.append(recording)
            else:
                self._vanished(recording)
        self.delete(there)

    def _is_there(self, recording: Recording) -> bool:
        """Whether its file may have its name still."""
        try:
            with located(self._root, recording.path) as media:
                status = media.status()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return status is not None and identity_of(status) == recording.identity

    def recover_own_folder(self) -> None:
        """Settle what an earlier process left aside in the uploader's own folder; before anything else is released."""
        for name in sorted(os.listdir(f"{self._root}/{FOLDER}")):  # noqa: PTH208
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
            try:
                with located(self._root, leftover.path) as aside:
                    return self._settle(leftover, aside)
            except (ChangedError, OSError, JournalError) as error:
                log.error("%s stays aside for now: %s", leftover.path, error)  # noqa: TRY400 - no defect
                return None

    def _settle(self, leftover: Leftover, aside: Location) -> str | None:
        if aside.status() is None:
            return None  # it was being released just now
        found = self._journal.run(lambda connection: queries.with_sid(connection, leftover.sid))
        origin = leftover.origin
        if found and leftover.path in places(found[0]):
            origin = found[0].path
            if found[0].state in _TO_BE_REMOVED and self._is_ours(aside, found[0], leftover.path):
                aside.unlink()
                log.info("%s was being released when the uploader ended; it is done now", origin)
                return None
        with located(self._root, origin) as media:
            was_visible = aside.is_same_file(media)
            back = self._remover.put_back(aside, media, path=origin)
        return None if was_visible else back

    def _is_ours(self, aside: Location, recording: Recording, path: str) -> bool:
        try:
            return self._remover.look(aside, recording, path=path) is not None
        except (ChangedError, InUseError):
            return False

    def _stuck(self, recording: Recording, message: str) -> records.Change:
        problem = EntryError(FailureClass.FILE.value, Reason.NOT_REMOVABLE.value, message)
        pause = full_jitter(recording.failures + 1, uniform=random.uniform)
        return records.Change(
            recording,
            RecordingState.REPORTED,
            error=problem,
            retry_at=self._clock.now() + pause,
            failures=recording.failures + 1,
        )

    def _fsync(self, removed: Iterable[Recording]) -> None:
        for folder in {recording.path.rpartition("/")[0] for recording in removed}:
            try:
                fd = open_folder(self._root, folder, to_read=True)
            except FileNotFoundError:
                continue
            except OSError as error:
                _tell_unsynced(folder, error)
                continue
            try:
                fsync_open_folder(fd)
            except OSError as error:
                _tell_unsynced(folder, error)
            finally:
                os.close(fd)


def _tell_unsynced(folder: str, error: OSError) -> None:
    """The worst that may come of it is a file that is back after a power cut."""
    log.warning("the folder %r can't be made durable: %s", folder, error.strerror)


def _tell_stuck(stuck: Sequence[records.Change]) -> None:
    """In one line, and only of what was not told before: a volume that is read-only has thousands."""
    news = [one.error for one in stuck if one.error is not None and one.recording.error is None]
    if news:
        log.error("%s stored and not removed yet, such as: %s", counted(len(news), "recording"), news[0].message)


def _named(recording: Recording, path: str) -> Recording:
    return recording if recording.path == path else recording._replace(path=path)
