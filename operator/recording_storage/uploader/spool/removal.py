"""Removing one recording's files, after proving once more that they are what they were.

A file whose name others know can be replaced at any moment, even between the last look at it and its removal. So it is
moved aside first, looked at there, and then removed; if it is not the recorded one, it gets its name back.
"""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

from recording_storage.uploader.core.fault_points import fault_point
from recording_storage.uploader.spool.openat import Location, located
from recording_storage.uploader.spool.quarantine import places, put_back
from recording_storage.uploader.spool.sidecar_file import SUFFIX
from recording_storage.uploader.spool.walk import MARKER, identity_of, is_another
from recording_storage.uploader.spool.writers import Writers, writers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from recording_storage.uploader.core.recording import Recording

log = logging.getLogger(__name__)

_NO_ROOM = frozenset({errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT})
"""What keeps a file from having a longer name."""
_ADVICE = {
    errno.EROFS: "the volume is read-only: mount it for writing",
    errno.ENOTDIR: "a folder on its way is a link by now, which is never followed: put the folder itself there",
}


class ChangedError(Exception):
    """The file is not the one that the journal knows: it was changed or replaced, and is never removed."""


class CantRemoveError(Exception):
    """It can't be removed now, whatever it is; the message says why, and what to do."""


class InUseError(CantRemoveError):
    """It is what it was, and somebody has it open: who may write to it yet, or never does."""


class NamesUnknownError(Exception):
    """It has several names, and it is not known yet which are in the spool: all of them go, or none."""


class Remover:
    """One file at a time: its caller holds a lock."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.returning: Callable[[str, int], None] = lambda _path, _inode: None
        """Told the path and the inode of a file that is about to be put back: that it comes is our own doing."""
        self.is_opened: Callable[[str, os.stat_result], bool] = lambda _path, _status: False
        """Whether somebody is seen to have the file at a path open: asked where no lease can be had."""

    def remove(self, recording: Recording, *, others: Collection[str] | None = ()) -> bool:
        """Remove all that belongs to it and is there still; whether its file was.

        Args:
            recording: by the name that its file has now.
            others: further names of it; None: not known.

        Raises:
            NamesUnknownError: there are some.
            ChangedError: the file stays under its name: it is another by now.
            CantRemoveError: it stays, because it can't be removed or looked at, or somebody has it open.
        """
        try:
            with located(self._root, recording.path) as media:
                return self._remove(media, recording, others)
        except FileNotFoundError:
            return False  # its folder is gone, and what was in it
        except OSError as error:
            raise _cant_remove(error, recording.path) from error

    def _remove(self, media: Location, recording: Recording, others: Collection[str] | None) -> bool:
        """Marker, media, metadata, in this order: whatever is left by a crash can't be taken for a new recording."""
        beside, elsewhere = self.asides(media, recording)
        marker = media.sibling(media.name + MARKER)
        finished_at = max(recording.found_at, recording.identity.mtime_ns / 1e9)
        try:
            marked = marker.status()  # looked at first: if the file is ours after that, so is the marker
            status = self._named(media, recording)
            if status is not None and recording.error is not None:
                self.look(media, recording, path=recording.path)  # it was in use before: not moved to and fro in vain
            if status is not None and status.st_nlink > 1:
                self._remove_links(recording, others)
            left = False
            if (status is None or status.st_nlink > 1) and self._is_left(beside, media):
                left = True
                self._end(recording, beside, media)
            elif status is not None:
                finished_at = max(finished_at, status.st_ctime, marked.st_ctime if marked is not None else 0.0)
                if marked is not None and _is_as_before(marker, marked):
                    marker.unlink()
                fault_point("marker-removed")
                if (aside := _move_aside(media, beside, elsewhere)) is not None:
                    fault_point("moved-aside")
                    self._end(recording, aside, media)
            self._remove_metadata(media.sibling(media.name + SUFFIX), finished_at)
            fault_point("metadata-removed")
        except OSError as error:
            raise _cant_remove(error, recording.path) from error
        return left or status is not None

    def _remove_links(self, recording: Recording, others: Collection[str] | None) -> None:
        """Before the name that the journal has: what a crash leaves of them is still known by that."""
        if others is None:
            raise NamesUnknownError
        for name in others:
            self.remove(recording._replace(path=name))

    def asides(self, media: Location, recording: Recording) -> tuple[Location, Location]:
        """Where its file may be moved to, the better first."""
        beside, elsewhere = places(recording)
        return media.sibling(beside.rpartition("/")[2]), Location(None, f"{self._root}/", elsewhere)

    def _named(self, media: Location, recording: Recording) -> os.stat_result | None:
        """The status of what has the recording's name; None: it is gone, or another file has the name.

        Whether the file is in use is asked when it is aside: nobody can open it any more then.

        Raises:
            ChangedError: it is neither certainly the recorded one nor certainly another.
        """
        status = media.status()
        return status if status is not None and _is_recorded(status, recording) else None

    def _is_left(self, beside: Location, media: Location) -> bool:
        """Whether a crash has left the file aside; one that it has left both names gets rid of the second."""
        if beside.status() is None:
            return False
        if beside.is_same_file(media):
            beside.unlink()
            return False
        return True

    def _end(self, recording: Recording, aside: Location, media: Location) -> None:
        """Remove the file that was moved aside, or put it back where it was: now nobody can replace it any more."""
        problem: Exception | None = None
        try:
            folder = recording.path[: len(recording.path) - len(media.name)]
            if self.look(aside, recording, path=aside.name if "/" in aside.name else folder + aside.name) is not None:
                aside.unlink()
                fault_point("media-removed")
                return
            if aside.status() is None:
                return
        except (ChangedError, CantRemoveError, OSError) as error:
            problem = error
        fault_point("not-ours")
        if self.put_back(aside, media, path=recording.path) == recording.path and problem is not None:
            raise problem

    def put_back(self, aside: Location, media: Location, *, path: str) -> str:
        """Make a file visible again, as `path` unless that is taken; the path it has. Raises OSError: it is aside."""
        status = aside.status()
        if status is None:
            raise FileNotFoundError(errno.ENOENT, "it is not aside any more", aside.path)
        inode = identity_of(status).inode
        folder = path[: len(path) - len(media.name)]
        back = folder + put_back(aside, media, coming=lambda name: self.returning(folder + name, inode))
        fault_point("put-back")
        if back == path:
            log.warning("%s was moved aside and is back under its name", path)
        else:
            log.error("%s is taken: the file that had this name before is kept as %s, a new recording", path, back)
        return back

    def look(self, aside: Location, recording: Recording, *, path: str) -> os.stat_result | None:
        """The file's status when it is the recorded one and unused; None: it is gone, or another has its name.

        `path` is where it is, relative to the spool.

        Raises:
            ChangedError: it is neither certainly the recorded one nor certainly another.
            InUseError: it is the recorded one, and somebody has it open.
            OSError: it can't be looked at.
        """
        try:
            fd = aside.open()
        except FileNotFoundError:
            return None  # removed before a crash, or by somebody: what counts is stored
        except OSError:
            found = aside.status()
            if found is None or is_another(found, recording.identity):
                return None
            raise
        try:
            users = writers(fd)
            status = os.fstat(fd)
        finally:
            os.close(fd)  # before it is asked who has the file open: we have not
        in_use = users is Writers.SOME or (users is Writers.UNKNOWN and self.is_opened(path, status))
        if not _is_recorded(status, recording):
            return None  # ours was replaced: what has its name now is a recording of its own
        if in_use:
            raise InUseError(f"{recording.path} stays for now: somebody has it open; it is removed once it is closed")
        return status

    def _remove_metadata(self, beside: Location, finished_at: float) -> None:
        """Remove what the recorder had said by then; what came later was said of the next recording of the name."""
        status = beside.status()
        if status is None:
            return
        if max(status.st_mtime, status.st_ctime) <= finished_at:
            beside.unlink()
        else:
            log.warning("%s came after the recording was finished: it stays, for the next of that name", beside.name)


def _move_aside(media: Location, beside: Location, elsewhere: Location) -> Location | None:
    """Where the file is now; None when it is gone. Raises OSError: it is where it was."""
    try:
        media.rename(beside)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in _NO_ROOM or elsewhere.status() is not None:
            raise
        media.rename(elsewhere)
        return elsewhere
    return beside


def _is_recorded(status: os.stat_result, recording: Recording) -> bool:
    """Whether it is the recording's file; False: another one. Raises ChangedError: it may be either."""
    if identity_of(status) == recording.identity:
        return True
    if is_another(status, recording.identity):
        return False
    raise ChangedError("the file was changed or replaced after it was stored")


def _is_as_before(location: Location, before: os.stat_result) -> bool:
    now = location.status()
    return now is not None and (now.st_ino, now.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def _cant_remove(error: OSError, path: str) -> CantRemoveError:
    number = error.errno or 0
    why = _ADVICE.get(number, error.strerror or str(error))
    if number in (errno.EACCES, errno.EPERM):
        why = f"uid {os.geteuid()} may not: let it read the file, and remove files in its folder"
    return CantRemoveError(f"{path} can't be removed, and is tried again by itself: {why}")
